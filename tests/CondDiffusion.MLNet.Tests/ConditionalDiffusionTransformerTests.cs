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
        using var model = TinyModel.Create(Ml);
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
    public void Generate_SameSeed_GivesTheSamePictureWhateverTheRest()
    {
        using var model = TinyModel.Create(Ml);
        var first = model.Generate(["cat", "dog"], [5, 6]);
        var second = model.Generate(["dog", "cat", "cat"], [6, 5, -7]);
        AssertClose(first[0], second[1]);
        AssertClose(first[1], second[0]);
    }

    [TestMethod]
    public void Generate_NoSeeds_CountsThemFromZero()
    {
        using var model = TinyModel.Create(Ml);
        var (counted, given) = (model.Generate(["cat", "dog"]), model.Generate(["cat", "dog"], [0, 1]));
        for (var i = 0; i < counted.Count; i++) AssertClose(counted[i], given[i]);
    }

    [TestMethod]
    public void Generate_Seeds_AreThoseOfTheSeedColumnAndOfRowIds()
    {
        using var model = TinyModel.Create(Ml);
        using var seeded = TinyModel.Create(Ml, TinyModel.Description with { SeedColumnName = "Seed" });
        var rows = Ml.Data.LoadFromEnumerable<SeededRow>([new() { Label = 1, Seed = -3 }, new() { Label = 0, Seed = long.MaxValue }]);
        var column = seeded.Transform(rows).GetColumn<MLImage>("GeneratedImage").ToArray();
        var direct = seeded.Generate(["dog", "cat"], [-3, long.MaxValue]);
        for (var i = 0; i < direct.Count; i++) AssertClose(direct[i], column[i]);

        var byId = model.Transform(TinyModel.Rows(Ml)).GetColumn<MLImage>("GeneratedImage").ToArray(); // ids 0 and 1
        direct = model.Generate(["cat", "dog"]);
        for (var i = 0; i < direct.Count; i++) AssertClose(direct[i], byId[i]);
    }

    [TestMethod]
    public void Transform_DataWithoutTheSeedColumn_GoesByRowIds()
    {
        using var model = TinyModel.Create(Ml);
        using var seeded = TinyModel.Create(Ml, TinyModel.Description with { SeedColumnName = "Seed" });
        ModelFileTests.AssertSame(model, seeded);
    }

    [TestMethod]
    public void Generate_Progress_IsToldEveryStepDownToTheFinished()
    {
        using var model = TinyModel.Create(
            Ml, TinyModel.Description with { Timesteps = 8, Sampling = new() { Steps = 4, Spacing = StepSpacing.Trailing } });
        var shown = new List<(int Step, int Steps, int T, IReadOnlyList<MLImage> Images)>();
        GenerationProgress? kept = null;
        var images = model.Generate(["cat", "dog"], progress: progress =>
        {
            shown.Add((progress.Step, progress.Steps, progress.Timestep, progress.ToImages()));
            kept ??= progress;
        });
        Assert.AreSequenceEqual([(1, 4, 6), (2, 4, 4), (3, 4, 2), (4, 4, 0)], shown.Select(item => (item.Step, item.Steps, item.T)));
        Assert.IsTrue(shown.All(item => item.Images.Count == 2));
        AssertClose(images[1], shown[^1].Images[1]);
        Assert.IsFalse(images[1].Pixels.SequenceEqual(shown[0].Images[1].Pixels));
        Assert.Contains("gone", Assert.ThrowsExactly<InvalidOperationException>(kept!.ToImages).Message);
    }

    [TestMethod]
    public void Generate_BadArguments_SaysWhich()
    {
        using var model = TinyModel.Create(Ml);
        Assert.ThrowsExactly<ArgumentNullException>(() => model.Generate(null!));
        Assert.Contains("no labels", Assert.ThrowsExactly<ArgumentException>(() => model.Generate([])).Message);
        var unknown = Assert.ThrowsExactly<ArgumentException>(() => model.Generate(["cat", "eel"])).Message;
        Assert.Contains("'eel'", unknown);
        Assert.Contains("cat, dog", unknown);
        Assert.Contains("1 seeds for 2 labels", Assert.ThrowsExactly<ArgumentException>(() => model.Generate(["cat", "dog"], [1])).Message);
    }

    [TestMethod]
    public void Transform_ColumnMissingOrOfAnotherType_NamesRoleAndColumn()
    {
        using var model = TinyModel.Create(Ml, TinyModel.Description with { SeedColumnName = "Seed" });
        void Refuses(IDataView data, params string[] parts)
        {
            foreach (var use in new Func<object>[]
                { () => model.Transform(data), () => model.GetOutputSchema(data.Schema), () => model.GetRowToRowMapper(data.Schema) })
            {
                var message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(use).Message;
                foreach (var part in parts) Assert.Contains(part, message);
            }
        }

        Refuses(Ml.Data.LoadFromEnumerable([new { Seed = 1L }]), "Could not find label column 'Label'");
        Refuses(Ml.Data.LoadFromEnumerable([new { Label = "cat", Seed = 1L }]), "label column 'Label'", "key", "String");
        Refuses(Ml.Transforms.CopyColumns("Seed", "Label").Fit(TinyModel.Rows(Ml)).Transform(TinyModel.Rows(Ml)), "seed column 'Seed'", "Int64");
    }

    [TestMethod]
    public void Transform_RowWithoutLabel_NamesTheRow()
    {
        using var model = TinyModel.Create(Ml);
        var rows = Ml.Data.LoadFromEnumerable<TinyModel.Row>([new() { Label = 1 }, new() { Label = 2 }]); // 2 is beyond the keys: missing
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => TinyModel.Pixels(model, rows)).Message;
        Assert.Contains("Row 1", message);
        Assert.Contains("'Label' has no label", message);
    }

    private static void AssertClose(MLImage expected, MLImage actual)
    {
        for (var i = 0; i < expected.Pixels.Length; i++) Assert.AreEqual(expected.Pixels[i], actual.Pixels[i], 1.0);
    }

    private sealed class SeededRow
    {
        [KeyType(2)]
        public uint Label { get; set; }

        public long Seed { get; set; }
    }
}
