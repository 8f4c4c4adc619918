using CondDiffusion.MLNet.Tests.Pipeline;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests;

[TestClass]
public sealed class ConditionalDiffusionTransformerTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void Generate_Labels_GivesAnImageOfTheModelsSizeForEach()
    {
        using var model = Tiny.Create(Ml);
        var images = model.Generate(["dog", "cat", "dog"]);
        Assert.HasCount(3, images);
        foreach (var image in images)
        {
            Assert.AreEqual((8, 8), (image.Width, image.Height));
            Assert.IsTrue(image.Pixels.ToArray().Where((_, i) => i % 4 == 3).All(alpha => alpha == 255));
        }
        Assert.IsFalse(images[0].Pixels.SequenceEqual(images[2].Pixels)); // other noise
    }

    [TestMethod]
    public void Generate_SameSeed_GivesTheSameImageWhateverTheRest()
    {
        using var model = Tiny.Create(Ml);
        var first = model.Generate(["cat", "dog"], [5, 6]);
        var second = model.Generate(["dog", "cat", "cat"], [6, 5, -7]);
        AssertClose(first[0], second[1]);
        AssertClose(first[1], second[0]);
    }

    [TestMethod]
    public void Generate_NoSeeds_CountsThemFromZero()
    {
        using var model = Tiny.Create(Ml);
        AssertClose(model.Generate(["cat", "dog"]), model.Generate(["cat", "dog"], [0, 1]));
    }

    [TestMethod]
    public void Generate_Seeds_AreThoseOfTheSeedColumnAndOfRowIds()
    {
        using var model = Tiny.Create(Ml);
        using var seeded = Tiny.Create(Ml, Tiny.Seeded);
        var rows = Ml.Data.LoadFromEnumerable<Tiny.SeededRow>(
            [new() { Label = 1, Seed = -3 }, new() { Label = 0, Seed = long.MaxValue }]);
        var bySeed = seeded.Transform(rows).GetColumn<MLImage>("GeneratedImage").ToArray();
        AssertClose(seeded.Generate(["dog", "cat"], [-3, long.MaxValue]), bySeed);

        var byId = model.Transform(Tiny.Rows(Ml)).GetColumn<MLImage>("GeneratedImage").ToArray(); // ids 0 and 1
        AssertClose(model.Generate(["cat", "dog"]), byId);
    }

    [TestMethod]
    public void Transform_DataWithoutTheSeedColumn_TakesRowIdsAsSeeds()
    {
        using var model = Tiny.Create(Ml);
        using var seeded = Tiny.Create(Ml, Tiny.Seeded);
        ModelFileTests.AssertSame(model, seeded);
    }

    [TestMethod]
    public void Generate_Progress_ReceivesEveryStepDownToTheFinishedImages()
    {
        var sampling = new SamplingOptions { Steps = 4, Spacing = StepSpacing.Trailing };
        using var model = Tiny.Create(Ml, Tiny.Description with { Timesteps = 8, Sampling = sampling });
        var shown = new List<(int Step, int Steps, int T, IReadOnlyList<MLImage> Images)>();
        GenerationProgress? kept = null;
        var images = model.Generate(["cat", "dog"], progress: progress =>
        {
            shown.Add((progress.Step, progress.Steps, progress.Timestep, progress.ToImages()));
            kept ??= progress;
        });
        Assert.AreSequenceEqual(
            [(1, 4, 6), (2, 4, 4), (3, 4, 2), (4, 4, 0)], shown.Select(item => (item.Step, item.Steps, item.T)));
        Assert.IsTrue(shown.All(item => item.Images.Count == 2));
        AssertClose(images[1], shown[^1].Images[1]);
        Assert.IsFalse(images[1].Pixels.SequenceEqual(shown[0].Images[1].Pixels));
        Throws.Saying<InvalidOperationException>(() => kept!.ToImages(), "gone");
    }

    [TestMethod]
    public void Generate_BadArguments_SaysWhich()
    {
        using var model = Tiny.Create(Ml);
        Assert.ThrowsExactly<ArgumentNullException>(() => model.Generate(null!));
        Throws.Saying<ArgumentException>(() => model.Generate([]), "no labels");
        Throws.Saying<ArgumentException>(() => model.Generate(["cat", "eel"]), "'eel'", "cat, dog");
        Throws.Saying<ArgumentException>(() => model.Generate(["cat", "dog"], [1]), "1 seeds for 2 labels");
    }

    [TestMethod]
    public void Transform_ColumnMissingOrOfAnotherType_NamesRoleAndColumn()
    {
        using var model = Tiny.Create(Ml, Tiny.Seeded);
        void Refuses(IDataView data, params string[] parts)
        {
            Throws.Saying<ArgumentOutOfRangeException>(() => model.Transform(data), parts);
            Throws.Saying<ArgumentOutOfRangeException>(() => model.GetOutputSchema(data.Schema), parts);
            Throws.Saying<ArgumentOutOfRangeException>(() => model.GetRowToRowMapper(data.Schema), parts);
        }

        Refuses(Ml.Data.LoadFromEnumerable([new { Seed = 1L }]), "Could not find label column 'Label'");
        var texts = Ml.Data.LoadFromEnumerable([new { Label = "cat", Seed = 1L }]);
        Refuses(texts, "label column 'Label'", "key", "String");
        var keys = Ml.Transforms.CopyColumns("Seed", "Label").Fit(Tiny.Rows(Ml)).Transform(Tiny.Rows(Ml));
        Refuses(keys, "seed column 'Seed'", "Int64");
    }

    [TestMethod]
    public void Transform_RowWithoutLabel_NamesTheRow()
    {
        using var model = Tiny.Create(Ml);
        Tiny.Row[] labels = [new() { Label = 1 }, new() { Label = 2 }]; // 2 is beyond the keys: missing
        var rows = Ml.Data.LoadFromEnumerable(labels);
        Throws.Saying<InvalidOperationException>(() => Tiny.Pixels(model, rows), "Row 1", "'Label' has no label");
    }

    private static void AssertClose(MLImage expected, MLImage actual) => AssertClose([expected], [actual]);

    private static void AssertClose(IReadOnlyList<MLImage> expected, IReadOnlyList<MLImage> actual) =>
        Tiny.AreClose(
            [.. expected.Select(image => image.Pixels.ToArray())], [.. actual.Select(image => image.Pixels.ToArray())]);
}
