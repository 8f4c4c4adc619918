using CondDiffusion.MLNet.Classification;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Classification;

/// <summary>Drawn shapes of 8 x 8 pixels, and classifiers of them that train in milliseconds.</summary>
internal static class Shapes
{
    public static string[] Names { get; } = ["bar", "cross", "square"];

    /// <summary>A training on 8 x 8 images in milliseconds, always with the same result.</summary>
    public static ConvolutionalNetworkTrainer.Options Options { get; } = new()
    {
        Height = 8,
        Width = 8,
        ChannelWidths = [4, 6],
        ConvolutionsPerBlock = 1,
        FeatureCount = 5,
        Epochs = 2,
        BatchSize = 8,
        WarmUpSteps = 2,
        Seed = 1,
        Precision = Precision.Float32,
    };

    /// <summary>Draws shapes at random places in random brightness, over noise.</summary>
    public static Shape[] Draw(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            var pixels = new float[64];
            for (var p = 0; p < 64; p++) pixels[p] = -0.8f + 0.2f * random.NextSingle();

            var top = random.Next(4);
            var left = random.Next(4);
            var level = 0.2f + 0.8f * random.NextSingle();
            for (var y = 0; y < 5; y++)
            {
                for (var x = 0; x < 5; x++)
                {
                    var isDrawn = (i % 3) switch
                    {
                        0 => x == 2,
                        1 => x == 2 || y == 2,
                        _ => x is 0 or 4 || y is 0 or 4,
                    };
                    if (isDrawn) pixels[(top + y) * 8 + left + x] = level;
                }
            }

            return new Shape { Label = (uint)(i % 3), Name = Names[i % 3], Pixels = pixels };
        })];
    }

    /// <summary>Trains on shapes, thirty of them if none are given.</summary>
    public static ConvolutionalNetworkTransformer Fit(
        MLContext ml, ConvolutionalNetworkTrainer.Options? options = null, IEnumerable<Shape>? shapes = null) =>
        ml.MulticlassClassification.Trainers.ConvolutionalNetwork(options ?? Options)
            .Fit(ml.Data.LoadFromEnumerable(shapes ?? Draw(30, seed: 1)));

    /// <summary>Trains, and returns the weights in bytes.</summary>
    public static byte[] FitWeights(
        ConvolutionalNetworkTrainer.Options options, IEnumerable<Shape>? shapes = null)
    {
        var ml = new MLContext();
        using var model = Fit(ml, options, shapes);
        return new ModelZip(ModelZip.Save(ml, model))[ModelZip.Weights];
    }

    /// <summary>Returns the probabilities of each row.</summary>
    public static float[][] Scores(ITransformer model, IDataView rows) =>
        [.. model.Transform(rows).GetColumn<float[]>("Score")];

    /// <summary>
    /// Creates a network with weights that keep the activations' size, and with batch-norm statistics like those after
    /// a training.
    /// </summary>
    public static ClassifierNetwork TrainedLike(ClassifierShape shape)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var generator = new Generator(3, CPU);
        var network = ClassifierNetwork.Create(shape, CPU, seed: 5);
        foreach (var (entry, values) in network.StateDict())
        {
            bool Ends(string name) => entry.Name.EndsWith(name, StringComparison.Ordinal);

            if (Ends("running_var")) values.uniform_(0.5, 2, generator);
            else if (Ends("running_mean")) values.normal_(0, 0.3, generator);
            else if (Ends("bias")) values.normal_(0, 0.2, generator);
            else if (entry.Role == TensorRole.One) values.uniform_(0.5, 1.5, generator);
            else values.normal_(0, Math.Sqrt(2.0 / entry.FanIn), generator);
        }

        return network;
    }

    /// <summary>Returns random images in [-1, 1], in the caller's dispose scope.</summary>
    public static Tensor Random(ulong seed, params long[] shape)
    {
        using var generator = new Generator(seed, CPU);
        return empty(shape, ScalarType.Float32, CPU).uniform_(-1, 1, generator);
    }

    /// <summary>Returns a batch of images.</summary>
    public static Batch Batch(Tensor images, long[] labels, float[]? weights = null)
    {
        var size = images.shape[1..];
        var pixels = (int)(size[0] * size[1] * size[2]);
        var values = images.contiguous().data<float>().ToArray();
        using var store = new ImageStore(pixels);
        for (var i = 0; i < labels.Length; i++)
            store.Add(values.AsSpan(i * pixels, pixels), (int)labels[i], weights?[i] ?? 1);

        var batch = new Batch(size, labels.Length);
        batch.Fill(store, [.. Enumerable.Range(0, labels.Length)]);
        return batch;
    }

    public sealed class Shape
    {
        /// <summary>The label, counted from 0: ML.NET makes it the keys 1 to 3.</summary>
        [KeyType(3)]
        public uint Label { get; set; }

        public string Name { get; set; } = "";

        [VectorType(64)]
        public float[] Pixels { get; set; } = [];

        public float Weight { get; set; } = 1;
    }
}
