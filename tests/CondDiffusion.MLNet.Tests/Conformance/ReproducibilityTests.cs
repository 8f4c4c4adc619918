using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Conformance;

/// <summary>A picture depends on the model, the label and the row's seed alone.</summary>
[TestClass]
public sealed class ReproducibilityTests
{
    // Trained for a little, so that pictures are neither noise cut off at the ends nor all alike.
    private static readonly ConditionalDiffusionTrainer.Options Trained = Tiny.Options with
    {
        ChannelWidths = [4, 4, 4],
        Timesteps = 10,
        Epochs = 40,
        LearningRate = 1e-2,
        SeedColumnName = "Seed",
        PixelsColumnName = "GeneratedPixels",
    };

    private static readonly MLContext Ml = new(seed: 7);
    private static readonly IDataView Data = Tiny.Keyed(Ml);
    private static readonly ConditionalDiffusionTransformer Transformer = Tiny.Fit(Ml, Trained);
    private static readonly byte[][] Pictures = Tiny.Pictures(Transformer.Transform(Data));

    [ClassCleanup]
    public static void Free() => Transformer.Dispose();

    [TestMethod]
    public void Picture_OfEqualSeeds_IsThatOfAnotherTraining()
    {
        using var again = Tiny.Fit(new(seed: 7), Trained);
        using var other = Tiny.Fit(new(seed: 8), Trained);
        Tiny.AreClose(Pictures, Tiny.Pictures(again.Transform(Data)));
        AreFar(Pictures[0], Tiny.Pictures(other.Transform(Data))[0]);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    [DataRow(16)]
    public void Picture_InBatchesOfAnySize_IsTheSame(int batchSize)
    {
        using var other = Tiny.Fit(new(seed: 7), Trained with { GenerationBatchSize = batchSize });
        Tiny.AreClose(Pictures, Tiny.Pictures(other.Transform(Data)));
    }

    [TestMethod]
    [DataRow(Precision.Float32)]
    [DataRow(Precision.BFloat16)]
    public void Picture_InAnyBatch_HasTheSameBits(Precision precision)
    {
        if (!FusedConvolution.CanPack) Assert.Inconclusive("libtorch has no oneDNN here.");
        using var model = Ml.ImageGeneration.WithSampling(Transformer, Transformer.Sampling with { Precision = precision });
        Condition[] rows = [.. Enumerable.Range(0, 9).Select(i => new Condition(i % 3, (uint)i, 1))];
        var together = model.Generator.Generate(rows).Chunk(64).ToArray();
        for (var i = 0; i < rows.Length; i++) Assert.AreSequenceEqual(together[i], model.Generator.Generate([rows[i]]), $"picture {i}");
    }

    [TestMethod]
    public void Picture_InBFloat16_IsNearThatOfFloat32()
    {
        using var exact = Ml.ImageGeneration.WithSampling(Transformer, Transformer.Sampling with { Precision = Precision.Float32 });
        using var rounded = Ml.ImageGeneration.WithSampling(Transformer, Transformer.Sampling with { Precision = Precision.BFloat16 });
        var (expected, actual) = (Tiny.Pictures(exact.Transform(Data)), Tiny.Pictures(rounded.Transform(Data)));
        var differences = expected.SelectMany((picture, i) => picture.Zip(actual[i], (a, b) => (double)Math.Abs(a - b))).ToArray();
        Assert.IsGreaterThan(0, differences.Max());
        Assert.IsLessThanOrEqualTo(8, differences.Max());
        Assert.IsLessThan(1, differences.Average());
    }

    [TestMethod]
    public void Picture_WhicheverColumnsAreRead_IsTheSame()
    {
        var view = Transformer.Transform(Data);
        var levels = view.GetColumn<float[]>("GeneratedPixels").Select(pixels => pixels.Select(x => (byte)MathF.Round((x + 1) * 127.5f)).ToArray()).ToArray();
        Tiny.AreClose([.. Pictures.Select(picture => picture.Where((_, i) => i % 4 == 0).ToArray())], levels);
    }

    [TestMethod]
    public void Picture_OfShuffledRows_GoesWithTheSeed()
    {
        var shuffled = Ml.Data.ShuffleRows(Data, seed: 5);
        var seeds = shuffled.GetColumn<long>("Seed").ToArray();
        CollectionAssert.AreNotEqual(Enumerable.Range(100, Tiny.Rows).Select(i => (long)i).ToArray(), seeds);
        Tiny.AreClose([.. seeds.Select(seed => Pictures[seed - 100])], Tiny.Pictures(Transformer.Transform(shuffled)));
    }

    [TestMethod]
    public void Picture_OfPredictionEngine_GoesWithTheSeed()
    {
        var model = new TransformerChain<ITransformer>(Ml.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(Tiny.Vectors(Ml)), Transformer);
        using var engine = Ml.Model.CreatePredictionEngine<NameRow, PictureRow>(model, new PredictionEngineOptions { OwnsTransformer = false });
        for (var i = Tiny.Rows - 1; i >= 0; i--)
        {
            var picture = engine.Predict(new() { Name = new[] { "cat", "dog", "eel" }[i % 3], Seed = 100 + i }).GeneratedImage!;
            Tiny.AreClose([Pictures[i]], [picture.Pixels.ToArray()]);
        }
    }

    [TestMethod]
    public void Picture_OfAnotherSeedOrLabel_IsAnother()
    {
        var rows = new[] { ("cat", 1L), ("cat", 2), ("dog", 1), ("cat", 1) }.Select(row => new NameRow { Name = row.Item1, Seed = row.Item2 });
        var keyed = Ml.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(Tiny.Vectors(Ml)).Transform(Ml.Data.LoadFromEnumerable(rows));
        var pictures = Tiny.Pictures(Transformer.Transform(keyed));
        AreFar(pictures[0], pictures[1]);
        AreFar(pictures[0], pictures[2]);
        Tiny.AreClose([pictures[0]], [pictures[3]]);
    }

    [TestMethod]
    public void SeedColumn_OfNegativeOrLargeNumbers_IsTaken()
    {
        var rows = new[] { long.MinValue, -1, 0, long.MaxValue }.Select(seed => new NameRow { Name = "cat", Seed = seed });
        var keyed = Ml.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(Tiny.Vectors(Ml)).Transform(Ml.Data.LoadFromEnumerable(rows));
        var pictures = Tiny.Pictures(Transformer.Transform(keyed));
        for (var i = 0; i < pictures.Length; i++)
            for (var j = 0; j < i; j++) AreFar(pictures[i], pictures[j]);
    }

    [TestMethod]
    public void SeedColumn_ThatIsNotThere_LeavesRowsTheirIds()
    {
        var unseeded = Ml.Transforms.DropColumns("Seed").Fit(Data).Transform(Data);
        using var same = Tiny.Fit(new(seed: 7), Trained with { SeedColumnName = null });
        Tiny.AreClose(Tiny.Pictures(same.Transform(Data)), Tiny.Pictures(Transformer.Transform(unseeded)));
    }

    [TestMethod]
    public void SeedColumn_OfAnotherType_IsRefused()
    {
        var data = Ml.Transforms.Conversion.ConvertType("Seed", "Seed", DataKind.Int32).Fit(Data).Transform(Data);
        var e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Transformer.Transform(data));
        Assert.Contains("seed column 'Seed': expected Int64, got Int32", e.Message);
    }

    [TestMethod]
    public void Picture_OfLoadedModel_IsTheSame()
    {
        var loaded = EstimatorConformance.Reload(Ml, Transformer, Data.Schema, out _);
        Tiny.AreClose(Pictures, Tiny.Pictures(loaded.Transform(Data)));
        (loaded as IDisposable)!.Dispose();
    }

    private static void AreFar(byte[] a, byte[] b) => Assert.IsGreaterThan(1, a.Zip(b, (x, y) => Math.Abs(x - y)).Max());
}
