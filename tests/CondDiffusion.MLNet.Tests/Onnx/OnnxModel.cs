using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Tests.Onnx;

/// <summary>A small model with random weights, and the path of its ONNX file.</summary>
internal sealed class OnnxModel : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public OnnxModel(ModelDescription description)
    {
        Transformer = new(Ml, description, RandomNetwork.Create(description.Network));
        Path = _directory.File("model.onnx");
    }

    /// <summary>A model of two labels, with and without which it generates grey images of 8 x 12 pixels.</summary>
    public static ModelDescription Description { get; } = Tiny.Description with
    {
        Network = new(Channels: 1, Height: 8, Width: 12, Labels: 2, EmbeddingSize: 7, [4, 6, 8]),
        Timesteps = 1000,
        GeneratesUnlabelled = true,
        Prediction = PredictionTarget.Velocity,
        Sampling = new()
        {
            Steps = 6,
            Spacing = StepSpacing.LogSnr,
            GuidanceSigmaLow = 0,
            GuidanceSigmaHigh = null,
            Precision = Precision.Float32,
        },
    };

    public MLContext Ml { get; } = new();

    public ConditionalDiffusionTransformer Transformer { get; }

    public string Path { get; }

    /// <summary>Saves the file, and returns its path.</summary>
    public string Save(OnnxExportOptions? options = null)
    {
        Ml.ImageGeneration.SaveAsOnnx(Transformer, Path, options);
        return Path;
    }

    /// <summary>Returns a path beside the file.</summary>
    public string File(string name) => _directory.File(name);

    public void Dispose()
    {
        Transformer.Dispose();
        _directory.Dispose();
    }
}
