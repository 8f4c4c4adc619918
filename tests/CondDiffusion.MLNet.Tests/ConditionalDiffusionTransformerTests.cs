using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Pipeline;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

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
    public void Transform_IdsOfAHundredAndTwentyEightBits_CountInFull()
    {
        using var model = Tiny.Create(Ml);
        var actual = Tiny.Pixels(model, new CountingView(Tiny.Rows(Ml)) { UpperId = 5 });
        var expected = model.Generator.Generate([new(0, new UInt128(5, 0), 1), new(1, new UInt128(5, 1), 1)]);
        foreach (var (i, pixel) in actual.SelectMany(pixels => pixels).Index())
            Assert.AreEqual(Math.Clamp(expected[i], -1, 1), pixel, 1e-4f);
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
    public void Generate_ProgressOfSeveralBatches_SaysWhichImagesItShows()
    {
        using var model = Tiny.Create(Ml, Tiny.Description with { BatchSize = 2, Sampling = new() { Steps = 2 } });
        var shown = new List<(int Batch, int Batches, int First, int Step, int Steps, int Images)>();
        var last = new Dictionary<int, MLImage>();
        var thread = Environment.CurrentManagedThreadId;
        var images = model.Generate(["cat", "dog", "cat"], progress: progress =>
        {
            Assert.AreEqual(thread, Environment.CurrentManagedThreadId);
            var now = progress.ToImages();
            shown.Add((
                progress.BatchNumber, progress.Batches, progress.FirstImage, progress.Step, progress.Steps, now.Count));
            foreach (var (i, image) in now.Index()) last[progress.FirstImage + i] = image;
        });

        Assert.AreSequenceEqual(
            [(1, 2, 0, 1, 2, 2), (1, 2, 0, 2, 2, 2), (2, 2, 2, 1, 2, 1), (2, 2, 2, 2, 2, 1)], shown);
        foreach (var (i, image) in images.Index())
            Assert.IsTrue(image.Pixels.SequenceEqual(last[i].Pixels), $"image {i}");
    }

    [TestMethod]
    public async Task GenerateAsync_LabelsAndSeeds_GivesTheImagesOfGenerateOnThePool()
    {
        using var model = Tiny.Create(Ml);
        var threads = new List<bool>();
        List<string?> labels = ["cat", "dog"];
        var expected = Generate();
        var request = model.GenerateAsync(
            labels, [5, 6], progress => threads.Add(Thread.CurrentThread.IsThreadPoolThread));
        labels.Clear(); // the request has its own

        AssertClose(expected, await request);
        Assert.AreSequenceEqual([true, true, true, true], threads);
        Assert.ThrowsExactly<ArgumentException>(() => { _ = model.GenerateAsync(["eel"]); });
        await Assert.ThrowsExactlyAsync<TimeoutException>(
            () => model.GenerateAsync(["cat"], progress: _ => throw new TimeoutException()));

        model.Dispose();
        await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => model.GenerateAsync(["cat"]));

        IReadOnlyList<MLImage> Generate() => model.Generate(labels, [5, 6]);
    }

    [TestMethod]
    [DataRow("GeneratedPixels", "in the column 'GeneratedPixels'")]
    [DataRow(null, "PixelsColumnName")]
    public void Generate_ModelOfTwoChannels_IsRefusedBeforeGenerating(string? column, string advice)
    {
        var description = Tiny.Description with
        {
            Network = Tiny.Description.Network with { Channels = 2 },
            PixelsColumnName = column,
        };
        using var model = new ConditionalDiffusionTransformer(
            Ml, description, ConditionalUNet.Create(description.Network, CPU, seed: 1));
        var batches = 0;
        model.Generator.Shared.BatchStarting = _ => batches++;

        Throws.Saying<InvalidOperationException>(
            () => model.Generate(["cat"]), "1 or 3 channels", "generates 2", "Transform", advice);
        Assert.AreEqual(0, batches);
        if (column is not null) Assert.HasCount(128, Tiny.Pixels(model, Tiny.Rows(Ml))[0]);
    }

    [TestMethod]
    public void Transform_PixelsBeyondTheirRange_AreClampedToThoseOfTheImage()
    {
        using var model = Tiny.Create(Ml, Tiny.Description with { Sampling = new() { ClipPixels = false } });
        Assert.IsGreaterThan(1.1f, model.Generator.Generate([new(0, 0, 1)]).Max(Math.Abs));

        var view = model.Transform(Tiny.Rows(Ml));
        var pixels = view.GetColumn<float[]>("GeneratedPixels").First();
        var levels = view.GetColumn<MLImage>("GeneratedImage").First().Pixels.ToArray().Where((_, i) => i % 4 == 0);

        Assert.IsTrue(pixels.All(value => value is >= -1 and <= 1));
        foreach (var (expected, actual) in pixels.Select(value => (value + 1) * 127.5).Zip(levels))
            Assert.AreEqual(expected, actual, 0.51);
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
