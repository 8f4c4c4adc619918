using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>A training of milliseconds, on ten 8 x 8 images of two labels: black ones and white ones.</summary>
internal static class TinyTraining
{
    public static ConditionalDiffusionTrainer.Options Options { get; } = new()
    {
        Height = 8,
        Width = 8,
        ChannelWidths = [2, 2, 2],
        EmbeddingSize = 4,
        Timesteps = 4,
        Epochs = 1,
        BatchSize = 4,
        Seed = 1,
        PixelsColumnName = "GeneratedPixels",
    };

    public static IEnumerable<Image> Images => Enumerable.Range(0, 10).Select(i => new Image
    {
        Label = (uint)i % 2,
        Pixels = [.. Enumerable.Repeat(i % 2 == 0 ? -1f : 1f, 64)],
    });

    public static ConditionalDiffusionTransformer Fit(
        MLContext ml, ConditionalDiffusionTrainer.Options? options = null, IEnumerable<Image>? images = null) =>
        ml.ImageGeneration.Trainers.ConditionalDiffusion(options ?? Options).Fit(ml.Data.LoadFromEnumerable(images ?? Images));

    public sealed class Image
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(1, 8, 8)]
        public float[]? Pixels { get; set; }
    }
}
