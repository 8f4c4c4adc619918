using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>An untrained transformer that draws 8 x 8 images of two labels in four steps.</summary>
internal static class TinyModel
{
    public static ModelDescription Description { get; } = new()
    {
        Network = new(Channels: 1, Height: 8, Width: 8, Labels: 2, EmbeddingSize: 4, [2, 2, 2]),
        Timesteps = 4,
        Labels = new(2, ["cat", "dog"]),
        LabelColumnName = "Label",
        OutputColumnName = "GeneratedImage",
        PixelsColumnName = "GeneratedPixels",
        BatchSize = 3,
        Seed = 7,
    };

    public static ConditionalDiffusionTransformer Create(MLContext ml, ModelDescription? description = null) =>
        new(ml, description ?? Description, ConditionalUNet.Create(Description.Network, CPU, seed: 1));

    /// <summary>Cat, dog, cat, dog, and so on.</summary>
    public static IDataView Rows(MLContext ml, int count = 2) =>
        ml.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(i => new Row { Label = (uint)i % 2 }));

    public static float[][] Pixels(ITransformer model, IDataView rows) =>
        [.. model.Transform(rows).GetColumn<float[]>(Description.PixelsColumnName!)];

    public sealed class Row
    {
        /// <summary>From 0: ML.NET makes it the keys 1 and 2.</summary>
        [KeyType(2)]
        public uint Label { get; set; }
    }

    public sealed class Picture
    {
        [ImageType(8, 8)]
        public MLImage? GeneratedImage { get; set; }

        [VectorType(1, 8, 8)]
        public float[]? GeneratedPixels { get; set; }
    }
}
