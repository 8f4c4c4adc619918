using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>The networks whose speed is measured.</summary>
internal static class MeasuredNetworks
{
    /// <summary>The network of the published method.</summary>
    public static UNetShape Plain { get; } = new(1, 32, 32, Labels: 10, EmbeddingSize: 100, [64, 128, 256]);

    /// <summary>The residual network with its default widths, for images of MNIST's size.</summary>
    public static UNetShape Residual { get; } = new(1, 28, 28, Labels: 10, EmbeddingSize: 100, [96, 192])
    {
        Architecture = NetworkArchitecture.Residual,
    };

    /// <summary>Describes a model with a network of a shape, whose labels are its digits.</summary>
    public static ModelDescription Describe(UNetShape shape, SamplingOptions sampling) => new()
    {
        Network = shape,
        Timesteps = 1000,
        Labels = new(shape.Labels, [.. Enumerable.Range(0, shape.Labels).Select(label => $"{label}")]),
        LabelColumnName = "Label",
        OutputColumnName = "GeneratedImage",
        Sampling = sampling,
        Seed = 1,
    };

    /// <summary>Creates a model with the residual network that was distilled to some steps.</summary>
    public static ConditionalDiffusionTransformer Distilled(MLContext ml, int steps)
    {
        var description = Describe(Residual, SamplingOptions.Distilled(new(), steps)) with
        {
            Prediction = PredictionTarget.Velocity,
            DistilledSteps = steps,
        };
        return new(ml, description, ConditionalUNet.Create(Residual, CPU, seed: 1));
    }
}
