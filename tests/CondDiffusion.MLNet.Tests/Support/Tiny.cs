using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Data and options that train and generate in moments: ten rows, three labels, pictures of 8 x 8.</summary>
internal static class Tiny
{
    public const int Rows = 10;

    public static ConditionalDiffusionTrainer.Options Options => new()
    {
        Height = 8,
        Width = 8,
        ChannelWidths = [2, 2, 2],
        EmbeddingSize = 4,
        Timesteps = 3,
        Epochs = 1,
        BatchSize = 4,
        GenerationBatchSize = 4,
        LabelDropout = 0,
        MovingAverageDecay = 0,
        Precision = Precision.Float32,
    };

    /// <summary>Rows whose images are vectors, in memory: they can be shuffled (as rows of objects cannot), and their number is known.</summary>
    public static IDataView Vectors(MLContext ml) =>
        ml.Data.Cache(ml.Data.LoadFromEnumerable(Enumerable.Range(0, Rows).Select(i => Fill(new Row(), i)).ToArray()));

    /// <summary>Rows with images of 12 x 10, made anew whenever they are read: they cannot be shuffled, and their number is unknown.</summary>
    public static IDataView Images(MLContext ml) => ml.Data.LoadFromEnumerable(Enumerable.Range(0, Rows).Select(i => Fill(
        new ImageRow { Image = TestImages.Random(10, 12, i % 2 == 0 ? MLPixelFormat.Bgra32 : MLPixelFormat.Rgba32, i) }, i)));

    /// <summary>The rows with a key column Label, made of one of their columns.</summary>
    public static IDataView Keyed(MLContext ml, IDataView rows, string column = nameof(Row.Name)) =>
        ml.Transforms.Conversion.MapValueToKey("Label", column).Fit(rows).Transform(rows);

    /// <summary>The rows of <see cref="Vectors"/>, with a key column Label.</summary>
    public static IDataView Keyed(MLContext ml) => Keyed(ml, Vectors(ml));

    public static ConditionalDiffusionTransformer Fit(MLContext ml, ConditionalDiffusionTrainer.Options options) => ml.ImageGeneration.Trainers
        .ConditionalDiffusion(options).Fit(options.FeatureColumnName == nameof(ImageRow.Image) ? Keyed(ml, Images(ml)) : Keyed(ml));

    /// <summary>The pixels of a column, row by row.</summary>
    public static byte[][] Pictures(IDataView view, string column = "GeneratedImage") =>
        [.. view.GetColumn<MLImage>(column).Select(image => image.Pixels.ToArray())];

    public static void AreClose(byte[][] expected, byte[][] actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (var i = 0; i < expected.Length; i++)
            Assert.IsLessThanOrEqualTo(1, expected[i].Zip(actual[i], (a, b) => Math.Abs(a - b)).Max(), $"picture {i}");
    }

    private static T Fill<T>(T row, int i)
        where T : Row
    {
        row.Name = new[] { "cat", "dog", "eel" }[i % 3];
        row.Number = i % 3 + 0.1f;
        row.Flag = i % 2 == 0;
        row.Seed = 100 + i;
        row.Pixels = [.. Enumerable.Range(0, 64).Select(p => MathF.Sin(i * 64 + p))];
        return row;
    }

    public class Row
    {
        public string Name { get; set; } = "";

        public float Number { get; set; }

        public bool Flag { get; set; }

        public long Seed { get; set; }

        [VectorType(64)]
        public float[] Pixels { get; set; } = [];
    }

    public sealed class ImageRow : Row
    {
        [ImageType(10, 12)]
        public MLImage? Image { get; set; }
    }
}
