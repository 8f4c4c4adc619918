using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace CondDiffusion.MLNet.Tests.Support;

internal static partial class Tiny
{
    /// <summary>Number of rows of <see cref="Animals"/> and of <see cref="Photos"/>.</summary>
    public const int AnimalCount = 10;

    /// <summary>
    /// A training on the animals, seeded by the context. It has no label dropout, so that rows without a label cannot
    /// have an image; four rows make a batch of the generation.
    /// </summary>
    public static ConditionalDiffusionTrainer.Options AnimalOptions => Options with
    {
        Seed = null,
        GenerationBatchSize = 4,
        LabelDropout = 0,
        MovingAverageLengths = [],
        Precision = Precision.Float32,
    };

    /// <summary>
    /// Returns animals in memory: they can be shuffled (as rows of objects cannot), and their number is known.
    /// </summary>
    public static IDataView Animals(MLContext ml) =>
        ml.Data.Cache(ml.Data.LoadFromEnumerable(Create(_ => new Animal()).ToArray()));

    /// <summary>
    /// Returns animals with images of 12 x 10 pixels, created at every reading: they cannot be shuffled, and their
    /// number is unknown.
    /// </summary>
    public static IDataView Photos(MLContext ml) => ml.Data.LoadFromEnumerable(Create(i =>
    {
        var format = i % 2 == 0 ? MLPixelFormat.Bgra32 : MLPixelFormat.Rgba32;
        return new Photo { Image = TestImages.Random(10, 12, format, i) };
    }));

    /// <summary>Returns the mapping of names to the key column Label, with the keys of the animals.</summary>
    public static ValueToKeyMappingTransformer KeyMapping(MLContext ml) =>
        ml.Transforms.Conversion.MapValueToKey("Label", nameof(NameRow.Name)).Fit(Animals(ml));

    /// <summary>Returns the rows with a key column Label, made of one of their columns.</summary>
    public static IDataView Keyed(MLContext ml, IDataView rows, string column = nameof(NameRow.Name)) =>
        ml.Transforms.Conversion.MapValueToKey("Label", column).Fit(rows).Transform(rows);

    /// <summary>Returns the animals with a key column Label, made of their names.</summary>
    public static IDataView KeyedAnimals(MLContext ml) => Keyed(ml, Animals(ml));

    /// <summary>
    /// Returns rows with the keys of the animals in the column Label. The key of any other name is missing.
    /// </summary>
    public static IDataView KeyedNames(MLContext ml, params IEnumerable<NameRow> rows) =>
        KeyMapping(ml).Transform(ml.Data.LoadFromEnumerable(rows));

    /// <summary>Trains on the animals, or on the photos where these are the features.</summary>
    public static ConditionalDiffusionTransformer FitAnimals(
        MLContext ml, ConditionalDiffusionTrainer.Options? options = null)
    {
        options ??= AnimalOptions;
        var rows = options.FeatureColumnName == nameof(Photo.Image) ? Photos(ml) : Animals(ml);
        return ml.ImageGeneration.Trainers.ConditionalDiffusion(options).Fit(Keyed(ml, rows));
    }

    /// <summary>Reads the images of a column, each as its bytes.</summary>
    public static byte[][] ImageBytes(IDataView view) =>
        [.. view.GetColumn<MLImage>("GeneratedImage").Select(image => image.Pixels.ToArray())];

    /// <summary>Asserts that images are equal, but for one grey level.</summary>
    public static void AreClose(byte[][] expected, byte[][] actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (var i = 0; i < expected.Length; i++)
            Assert.IsLessThanOrEqualTo(1, expected[i].Zip(actual[i], (a, b) => Math.Abs(a - b)).Max(), $"image {i}");
    }

    private static IEnumerable<T> Create<T>(Func<int, T> create)
        where T : Animal => Enumerable.Range(0, AnimalCount).Select(i =>
    {
        var row = create(i);
        row.Name = new[] { "cat", "dog", "eel" }[i % 3];
        row.Number = i % 3 + 0.1f;
        row.Flag = i % 2 == 0;
        row.Seed = 100 + i;
        row.Pixels = [.. Enumerable.Range(0, 64).Select(p => MathF.Sin(i * 64 + p))];
        return row;
    });
}
