using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Model;

/// <summary>Checks what each option does to the generated images.</summary>
[TestClass]
public sealed class SamplingOptionsTests
{
    private static readonly MLContext Ml = new(seed: 1);

    // Trained for a few steps, on a schedule that ends in pure noise, so that labels and steps make a difference.
    private static readonly ConditionalDiffusionTransformer Model = TinyTraining.Fit(Ml, TinyTraining.Options with
    {
        ChannelWidths = [4, 4, 4],
        Timesteps = 20,
        Schedule = BetaSchedule.Cosine,
        LabelDropout = 0.3,
        Epochs = 30,
        LearningRate = 1e-2,
        MovingAverageDecay = 0,
        Precision = Precision.Float32,
    });

    [ClassCleanup]
    public static void Free() => Model.Dispose();

    [TestMethod]
    public void Steps_BeyondTheTimesteps_AreTheTimesteps()
    {
        var steps = 0;
        using var model = Ml.ImageGeneration.WithSampling(Model, new() { Steps = 100 });
        model.Generate(["1"], progress: progress => steps = progress.Steps);
        Assert.AreEqual(20, steps);
        AreClose(Generate(new() { Steps = 20 }), Generate(new() { Steps = 100 }));
    }

    [TestMethod]
    public void Sampler_EachOfThem_GeneratesOtherImages() =>
        AreFar([.. Enum.GetValues<Sampler>().Select(sampler => Generate(new() { Sampler = sampler, Steps = 4 }))]);

    [TestMethod]
    public void Spacing_EachOfThem_GeneratesOtherImages() =>
        AreFar([.. Enum.GetValues<StepSpacing>().Select(spacing => Generate(new() { Spacing = spacing, Steps = 3 }))]);

    [TestMethod]
    public void Eta_FromNoneToAll_GoesFromDdimToAncestral()
    {
        SamplingOptions options = new() { Sampler = Sampler.Ddim, Steps = 4 };
        AreClose(Generate(options with { Sampler = Sampler.Ancestral }), Generate(options with { Eta = 1 }));
        AreFar(Generate(options), Generate(options with { Eta = 0.5 }), Generate(options with { Eta = 1 }));
    }

    [TestMethod]
    public void ClipPixels_On_KeepsPixelsWithinTheirRange()
    {
        // The image is the last step's estimate.
        SamplingOptions options = new() { Steps = 4 };
        Assert.IsGreaterThan(1.01f, Raw(options with { ClipPixels = false }).Max(Math.Abs));
        Assert.IsLessThan(1.0001f, Raw(options).Max(Math.Abs));

        static float[] Raw(SamplingOptions options)
        {
            using var model = Ml.ImageGeneration.WithSampling(Model, options);
            return model.Generator.Generate([new(0, 5, 1)]);
        }
    }

    [TestMethod]
    public void GuidanceInterval_WithoutOrWithSomeOfTheSteps_GuidesThoseWithin()
    {
        var plain = Generate(new() { GuidanceScale = 1 });
        var guided = Generate(new() { GuidanceScale = 9 });
        AreClose(plain, Generate(new() { GuidanceScale = 9, GuidanceIntervalHigh = 0.04 })); // t / T is at least 0.05
        AreClose(guided, Generate(new() { GuidanceScale = 9, GuidanceIntervalLow = 0.04 }));

        var inTheMiddle = Generate(new() { GuidanceScale = 9, GuidanceIntervalLow = 0.3, GuidanceIntervalHigh = 0.7 });
        AreFar(plain, guided, inTheMiddle);
    }

    [TestMethod]
    public void GuidanceScale_LeftOpen_IsTwoWhereTheModelCanBeGuidedAndOneElsewhere()
    {
        AreClose(Generate(new() { GuidanceScale = 2 }), Generate(new()));
        AreFar(Generate(new() { GuidanceScale = 1 }), Generate(new()));
        Assert.AreEqual(2, (TinyModel.Description with { Sampling = new(), GeneratesUnlabelled = true }).GuidanceScale);
        Assert.AreEqual(1, (TinyModel.Description with { Sampling = new() }).GuidanceScale);
    }

    [TestMethod]
    public void GuidanceInterval_Ends_AreOpenBelowAndClosedAbove()
    {
        SamplingOptions options = new() { GuidanceIntervalLow = 0.25, GuidanceIntervalHigh = 0.75 };
        var guided = Enumerable.Range(1, 8).Where(t => options.Guides(t, 8)).ToArray();
        Assert.AreSequenceEqual(new[] { 3, 4, 5, 6 }, guided);
    }

    [TestMethod]
    public void GuidanceColumn_OfEachRow_StandsInForTheScale()
    {
        SamplingOptions options = new() { GuidanceScale = 4, GuidanceColumnName = "Guidance" };
        using var model = Ml.ImageGeneration.WithSampling(Model, options);
        var rows = new[] { 1, 9, float.NaN, 0 }.Select(guidance => new GuidedRow { Label = 1, Guidance = guidance });
        var images = TinyModel.Pixels(model, Ml.Data.LoadFromEnumerable(rows));
        foreach (var (i, scale) in new[] { 1.0, 9, 4, 0 }.Index())
            AreClose(Row(new() { GuidanceScale = scale }, i), images[i]);

        // Data without the column uses the scale of the options.
        var unguidedRows = rows.Select(row => new TinyModel.Row { Label = row.Label });
        var unguided = TinyModel.Pixels(model, Ml.Data.LoadFromEnumerable(unguidedRows));
        AreClose(Row(new() { GuidanceScale = 4 }, 3), unguided[3]);

        static float[] Row(SamplingOptions options, int row)
        {
            using var model = Ml.ImageGeneration.WithSampling(Model, options);
            var rows = Enumerable.Repeat(new TinyModel.Row { Label = 1 }, row + 1);
            return TinyModel.Pixels(model, Ml.Data.LoadFromEnumerable(rows))[row];
        }
    }

    [TestMethod]
    public void GuidanceScaleZero_IsTheImageWithoutALabel()
    {
        using var model = Ml.ImageGeneration.WithSampling(Model, new() { GuidanceScale = 0 });
        var images = model.Generate(["1", "2", null], [5, 5, 5]).Select(Levels).ToArray();
        AreClose(images[0], images[1]);
        AreClose(images[0], images[2]);
        AreFar(images[0], Generate(new()));
    }

    [TestMethod]
    [DataRow(float.PositiveInfinity)]
    [DataRow(-1f)]
    [DataRow(1001f)]
    public void GuidanceColumn_ValueOutOfRange_NamesTheRow(float value)
    {
        using var model = Ml.ImageGeneration.WithSampling(Model, new() { GuidanceColumnName = "Guidance" });
        var rows = new[] { 1, value }.Select(guidance => new GuidedRow { Guidance = guidance });
        var data = Ml.Data.LoadFromEnumerable(rows);
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => TinyModel.Pixels(model, data)).Message;
        Assert.Contains($"Row 1: column 'Guidance' must be in [0, 1000], but is {value}", message);
    }

    [TestMethod]
    public void GuidanceColumn_OfAnotherType_IsRefused()
    {
        using var model = Ml.ImageGeneration.WithSampling(Model, new() { GuidanceColumnName = "Label" });
        var rows = TinyModel.Rows(Ml);
        var message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => model.Transform(rows)).Message;
        Assert.Contains("guidance column 'Label': expected Single, got Key<UInt32, 0-1>", message);
    }

    /// <summary>Returns the levels of one image of the first label.</summary>
    private static float[] Generate(SamplingOptions options)
    {
        using var model = Ml.ImageGeneration.WithSampling(Model, options);
        return Levels(model.Generate(["1"], [5])[0]);
    }

    private static float[] Levels(MLImage image) => [.. image.Pixels.ToArray().Select(level => level / 127.5f - 1)];

    private static float Distance(float[] a, float[] b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Max();

    /// <summary>Checks that two images are equal to within one grey level.</summary>
    private static void AreClose(float[] expected, float[] actual) =>
        Assert.IsLessThan(1.01f / 127.5f, Distance(expected, actual));

    private static void AreFar(params float[][] images)
    {
        for (var i = 0; i < images.Length; i++)
            for (var j = 0; j < i; j++)
                Assert.IsGreaterThan(1.01f / 127.5f, Distance(images[i], images[j]), $"{i} and {j}");
    }

    private sealed class GuidedRow
    {
        [KeyType(2)]
        public uint Label { get; set; }

        public float Guidance { get; set; }
    }
}
