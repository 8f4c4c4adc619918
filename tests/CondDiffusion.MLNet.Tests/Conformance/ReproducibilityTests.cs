using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Conformance;

/// <summary>An image depends on the model, the label and the row's seed alone.</summary>
[TestClass]
public sealed class ReproducibilityTests
{
    // Trained for a moment, so that images are neither noise clipped at both ends nor all alike.
    private static readonly ConditionalDiffusionTrainer.Options Trained = Tiny.AnimalOptions with
    {
        ChannelWidths = [4, 4, 4],
        Timesteps = 10,
        Epochs = 20,
        LearningRate = 1e-2,
        Sampling = new() { SeedColumnName = "Seed" },
    };

    private static readonly MLContext Ml = new(seed: 7);
    private static readonly IDataView Data = Tiny.KeyedAnimals(Ml);
    private static readonly ConditionalDiffusionTransformer Transformer = Tiny.FitAnimals(Ml, Trained);
    private static readonly byte[][] Images = Tiny.ImageBytes(Transformer.Transform(Data));

    [ClassCleanup]
    public static void Free() => Transformer.Dispose();

    [TestMethod]
    public void Image_OfTrainingsWithEqualSeeds_IsTheSame()
    {
        using var again = Tiny.FitAnimals(new(seed: 7), Trained);
        using var other = Tiny.FitAnimals(new(seed: 8), Trained);
        Tiny.AreClose(Images, Tiny.ImageBytes(again.Transform(Data)));
        AreFar(Images[0], Tiny.ImageBytes(other.Transform(Data))[0]);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    [DataRow(16)]
    public void Image_InBatchesOfAnySize_IsTheSame(int batchSize)
    {
        using var other = Tiny.FitAnimals(new(seed: 7), Trained with { GenerationBatchSize = batchSize });
        Tiny.AreClose(Images, Tiny.ImageBytes(other.Transform(Data)));
    }

    [TestMethod]
    [DataRow(Precision.Float32)]
    [DataRow(Precision.BFloat16)]
    public void Image_InAnyBatch_HasTheSameBits(Precision precision)
    {
        if (!FusedConvolution.CanPack(precision == Precision.Float32 ? ScalarType.Float32 : ScalarType.BFloat16))
            Assert.Inconclusive($"libtorch cannot pack {precision} here.");
        using var model = WithPrecision(precision);
        Condition[] rows = [.. Enumerable.Range(0, 9).Select(i => new Condition(i % 3, (uint)i, 1))];
        var together = model.Generator.Generate(rows).Chunk(64).ToArray();
        for (var i = 0; i < rows.Length; i++)
            Assert.AreSequenceEqual(together[i], model.Generator.Generate([rows[i]]), $"image {i}");
    }

    [TestMethod]
    public void Image_InBFloat16_IsNearThatOfFloat32()
    {
        using var exact = WithPrecision(Precision.Float32);
        using var rounded = WithPrecision(Precision.BFloat16);
        var expected = Tiny.ImageBytes(exact.Transform(Data)).SelectMany(image => image);
        var actual = Tiny.ImageBytes(rounded.Transform(Data)).SelectMany(image => image);
        var differences = expected.Zip(actual, (a, b) => (double)Math.Abs(a - b)).ToArray();
        Assert.IsGreaterThan(0, differences.Max());
        Assert.IsLessThanOrEqualTo(8, differences.Max());
        Assert.IsLessThan(1, differences.Average());
    }

    [TestMethod]
    public void Image_WhicheverColumnsAreRead_IsTheSame()
    {
        var view = Transformer.Transform(Data);
        var levels = view.GetColumn<float[]>("GeneratedPixels")
            .Select(pixels => pixels.Select(x => (byte)MathF.Round((x + 1) * 127.5f)).ToArray());
        Tiny.AreClose([.. Images.Select(image => image.Where((_, i) => i % 4 == 0).ToArray())], [.. levels]);
    }

    [TestMethod]
    public void Image_OfShuffledRows_GoesWithTheSeed()
    {
        var shuffled = Ml.Data.ShuffleRows(Data, seed: 5);
        var seeds = shuffled.GetColumn<long>("Seed").ToArray();
        Assert.AreNotSequenceEqual(Enumerable.Range(100, Tiny.AnimalCount).Select(i => (long)i), seeds);
        Tiny.AreClose([.. seeds.Select(seed => Images[seed - 100])], Tiny.ImageBytes(Transformer.Transform(shuffled)));
    }

    [TestMethod]
    public void Image_OfPredictionEngine_GoesWithTheSeed()
    {
        var model = new TransformerChain<ITransformer>(Tiny.KeyMapping(Ml), Transformer);
        using var engine = Tiny.Engine<Tiny.NameRow>(Ml, model);
        for (var i = Tiny.AnimalCount - 1; i >= 0; i--)
        {
            var row = new Tiny.NameRow { Name = new[] { "cat", "dog", "eel" }[i % 3], Seed = 100 + i };
            Tiny.AreClose([Images[i]], [engine.Predict(row).GeneratedImage!.Pixels.ToArray()]);
        }
    }

    [TestMethod]
    public void Image_OfAnotherSeedOrLabel_IsDifferent()
    {
        var keyed = Tiny.KeyedNames(
            Ml,
            new() { Name = "cat", Seed = 1 },
            new() { Name = "cat", Seed = 2 },
            new() { Name = "dog", Seed = 1 },
            new() { Name = "cat", Seed = 1 });
        var images = Tiny.ImageBytes(Transformer.Transform(keyed));
        AreFar(images[0], images[1]);
        AreFar(images[0], images[2]);
        Tiny.AreClose([images[0]], [images[3]]);
    }

    [TestMethod]
    public void SeedColumn_OfNegativeOrLargeNumbers_IsTaken()
    {
        long[] seeds = [long.MinValue, -1, 0, long.MaxValue];
        var rows = seeds.Select(seed => new Tiny.NameRow { Name = "cat", Seed = seed });
        var keyed = Tiny.KeyedNames(Ml, rows);
        var images = Tiny.ImageBytes(Transformer.Transform(keyed));
        for (var i = 0; i < images.Length; i++)
        {
            for (var j = 0; j < i; j++)
                AreFar(images[i], images[j]);
        }
    }

    [TestMethod]
    public void SeedColumn_ThatIsNotThere_LeavesRowsTheirIds()
    {
        var unseeded = Ml.Transforms.DropColumns("Seed").Fit(Data).Transform(Data);
        using var same = Tiny.FitAnimals(new(seed: 7), Trained with { Sampling = new() });
        Tiny.AreClose(Tiny.ImageBytes(same.Transform(Data)), Tiny.ImageBytes(Transformer.Transform(unseeded)));
    }

    [TestMethod]
    public void SeedColumn_OfAnotherType_IsRefused()
    {
        var data = Ml.Transforms.Conversion.ConvertType("Seed", "Seed", DataKind.Int32).Fit(Data).Transform(Data);
        Throws.Saying<ArgumentOutOfRangeException>(
            () => Transformer.Transform(data), "seed column 'Seed': expected Int64, got Int32");
    }

    [TestMethod]
    public void Image_OfLoadedModel_IsTheSame()
    {
        var loaded = EstimatorConformance.Reload(Ml, Transformer, Data.Schema, out _);
        Tiny.AreClose(Images, Tiny.ImageBytes(loaded.Transform(Data)));
        (loaded as IDisposable)!.Dispose();
    }

    private static ConditionalDiffusionTransformer WithPrecision(Precision precision) =>
        Ml.ImageGeneration.WithSampling(Transformer, Transformer.Sampling with { Precision = precision });

    private static void AreFar(byte[] a, byte[] b) =>
        Assert.IsGreaterThan(1, a.Zip(b, (x, y) => Math.Abs(x - y)).Max());
}
