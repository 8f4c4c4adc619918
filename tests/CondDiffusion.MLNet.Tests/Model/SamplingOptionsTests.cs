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
    private static readonly ConditionalDiffusionTransformer Model = Tiny.Fit(Ml, Tiny.Options with
    {
        ChannelWidths = [4, 4, 4],
        Timesteps = 20,
        Schedule = BetaSchedule.Cosine,
        LabelDropout = 0.3,
        Epochs = 30,
        LearningRate = 1e-2,
        MovingAverageLengths = [],
        Precision = Precision.Float32,
    });

    private static readonly SamplingOptions Everywhere = new() { GuidanceSigmaLow = 0, GuidanceSigmaHigh = null };

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
    [DataRow(Sampler.DpmSolver, 8)]
    [DataRow(Sampler.Ddim, 50)]
    [DataRow(Sampler.Ancestral, 300)]
    public void Steps_LeftOpen_HaveADefaultForEachSampler(Sampler sampler, int expected)
    {
        var trained = Tiny.Description with { Timesteps = 300, Sampling = new() };
        using var model = Tiny.Create(Ml, trained);
        using var changed = Ml.ImageGeneration.WithSampling(model, new() { Sampler = sampler });
        Assert.AreEqual(expected, changed.Sampling.Steps);
        Assert.AreEqual(expected, changed.Generator.Steps);

        using var loaded = (ConditionalDiffusionTransformer)ModelZip.Load(Ml, ModelZip.Save(Ml, changed));
        Assert.AreEqual(expected, loaded.Sampling.Steps);

        // The number of a model's options is no default any more: another sampler takes it too, unless it is left open.
        using var kept = Ml.ImageGeneration.WithSampling(model, model.Sampling with { Sampler = sampler });
        Assert.AreEqual(8, kept.Sampling.Steps);
    }

    [TestMethod]
    public void Seed_Another_GivesOtherImagesOfTheSameRowsAndTheModelsOwnGivesItsOwn()
    {
        var first = Generate(new());
        AreClose(first, Generate(new() { Seed = 1 })); // the seed of the training
        AreFar(first, Generate(new() { Seed = 2 }), Generate(new() { Seed = -2 }), Generate(new() { Seed = 1L << 32 }));

        // The same for rows, and for the engines of a pool that give each of them a seed.
        using var one = Ml.ImageGeneration.WithSampling(Model, new() { Seed = 1 });
        using var two = Ml.ImageGeneration.WithSampling(Model, new() { Seed = 2 });
        using var twoLoaded = (ConditionalDiffusionTransformer)ModelZip.Load(Ml, ModelZip.Save(Ml, two));
        var rows = Tiny.Rows(Ml);
        AreFar(Tiny.Pixels(one, rows)[0], Tiny.Pixels(two, rows)[0]);
        AreClose(Tiny.Pixels(two, rows)[0], Tiny.Pixels(twoLoaded, rows)[0]);
        AreFar(Predict(one), Predict(two));
        AreClose(Predict(two), Predict(two));

        static float[] Predict(ConditionalDiffusionTransformer model)
        {
            using var engine = Tiny.Engine<Tiny.Row>(Ml, model);
            return engine.Predict(new() { Label = 0 }).GeneratedPixels!;
        }
    }

    /// <summary>A row's noise is that of the options' seed and the row's key, as RowNoise documents it.</summary>
    [TestMethod]
    public void Seed_Given_StandsInForTheModelsInTheNoise()
    {
        var description = Tiny.Description with { Sampling = new() };
        Assert.AreEqual(7ul, description.NoiseSeed);
        Assert.AreEqual(9ul, (description with { Sampling = new() { Seed = 9 } }).NoiseSeed);
        Assert.AreEqual(0ul, (description with { Sampling = new() { Seed = 0 } }).NoiseSeed);
        Assert.AreEqual(ulong.MaxValue, (description with { Sampling = new() { Seed = -1 } }).NoiseSeed);
    }

    [TestMethod]
    public void SeedColumnName_AddedToATrainedModel_DecidesTheNoise()
    {
        using var seeded = Ml.ImageGeneration.WithSampling(Model, new() { SeedColumnName = "Seed" });
        var rows = Ml.Data.LoadFromEnumerable<Tiny.SeededRow>(
            [new() { Seed = 5 }, new() { Seed = 6 }, new() { Seed = 5 }]);
        float[][] images = [.. seeded.Transform(rows).GetColumn<MLImage>("GeneratedImage").Select(Levels)];
        AreClose(Generate(new()), images[0]);
        AreClose(images[0], images[2]);
        AreFar(images[0], images[1]);
    }

    [TestMethod]
    public void MissingLabels_Unconditional_GeneratesSuchRowsWithoutALabel()
    {
        var rows = Ml.Data.LoadFromEnumerable<Tiny.Row>([new() { Label = 0 }, new() { Label = 2 }]); // 2 is no key
        using var model = Ml.ImageGeneration.WithSampling(
            Model, new() { MissingLabels = MissingLabelBehavior.Unconditional });
        AreClose(Levels(model.Generate([null], [1])[0]), Levels(Images(model, rows)[1]));

        Throws.Saying<InvalidOperationException>(
            () => Images(Model, rows), "Row 1: column 'Label' has no label", "set MissingLabels", "Unconditional");
        Assert.HasCount(1, Model.Generate([null]));

        static MLImage[] Images(ITransformer model, IDataView rows) =>
            [.. model.Transform(rows).GetColumn<MLImage>("GeneratedImage")];
    }

    [TestMethod]
    public void MissingLabels_UnconditionalWithoutLabelDropout_IsRefused()
    {
        var sampling = new SamplingOptions { MissingLabels = MissingLabelBehavior.Unconditional };
        const string Expected = "LabelDropout must be above 0 in training for MissingLabels to be Unconditional";
        using var model = Tiny.Create(Ml);
        Throws.Saying<ArgumentException>(() => Ml.ImageGeneration.WithSampling(model, sampling), Expected);

        var options = Tiny.Options with { LabelDropout = 0, Sampling = sampling };
        Throws.Saying<ArgumentException>(
            () => Ml.ImageGeneration.Trainers.ConditionalDiffusion(options), Expected);
    }

    [TestMethod]
    public void Sampler_EachOfThem_GeneratesOtherImages() =>
        AreFar([.. Enum.GetValues<Sampler>().Select(sampler => Generate(new() { Sampler = sampler, Steps = 4 }))]);

    [TestMethod]
    public void Spacing_EachOfThem_GeneratesOtherImages()
    {
        StepSpacing[] spacings = [StepSpacing.Uniform, StepSpacing.Trailing, StepSpacing.LogSnr, StepSpacing.Focused];
        AreFar([.. spacings.Select(Sample)]);

        // The angle of a cosine schedule is proportional to the timestep.
        AreClose(Sample(StepSpacing.Angle), Sample(StepSpacing.Trailing));

        static float[] Sample(StepSpacing spacing) => Generate(new() { Spacing = spacing, Steps = 3 });
    }

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
        var everywhere = Everywhere with { GuidanceScale = 9 };
        var plain = Generate(everywhere with { GuidanceScale = 1 });
        var guided = Generate(everywhere);
        AreClose(plain, Generate(everywhere with { GuidanceSigmaHigh = 0.08 })); // that of timestep 1 is 0.09
        AreClose(guided, Generate(everywhere with { GuidanceSigmaLow = 0.08 }));

        // Timesteps 6 to 14.
        var inTheMiddle = Generate(everywhere with { GuidanceSigmaLow = 0.5, GuidanceSigmaHigh = 2 });
        AreFar(plain, guided, inTheMiddle);
    }

    [TestMethod]
    public void GuidanceScale_LeftOpen_IsTwoWhereTheModelCanBeGuidedAndOneElsewhere()
    {
        AreClose(Generate(new() { GuidanceScale = 2 }), Generate(new()));
        AreFar(Generate(new() { GuidanceScale = 1 }), Generate(new()));
        Assert.AreEqual(1, Tiny.Description.WithSampling(new()).GuidanceScale);
        Assert.AreEqual(2, (Tiny.Description with { Sampling = new(), GeneratesUnlabelled = true }).GuidanceScale);
        Assert.AreEqual(1, (Tiny.Description with { Sampling = new() }).GuidanceScale);
    }

    [TestMethod]
    public void GuidanceInterval_Ends_AreOpenBelowAndClosedAbove()
    {
        double[] levels = [0, double.Epsilon, 0.25, Math.BitIncrement(0.25), 5, Math.BitIncrement(5), double.MaxValue];
        AreGuided(new() { GuidanceSigmaLow = 0.25, GuidanceSigmaHigh = 5 }, levels[3..5]);
        AreGuided(new() { GuidanceSigmaLow = 0.25, GuidanceSigmaHigh = null }, levels[3..]);
        AreGuided(new() { GuidanceSigmaLow = 0, GuidanceSigmaHigh = 5 }, levels[1..5]);
        AreGuided(Everywhere, levels[1..]);

        void AreGuided(SamplingOptions options, double[] expected) =>
            Assert.AreSequenceEqual(expected, levels.Where(options.Guides));
    }

    [TestMethod]
    public void GuidanceColumn_OfEachRow_StandsInForTheScale()
    {
        SamplingOptions options = new() { GuidanceScale = 4, GuidanceColumnName = "Guidance" };
        using var model = Ml.ImageGeneration.WithSampling(Model, options);
        var rows = new[] { 1, 9, float.NaN, 0 }.Select(guidance => new GuidedRow { Label = 1, Guidance = guidance });
        var images = Tiny.Pixels(model, Ml.Data.LoadFromEnumerable(rows));
        foreach (var (i, scale) in new[] { 1.0, 9, 4, 0 }.Index())
            AreClose(Row(new() { GuidanceScale = scale }, i), images[i]);

        // Data without the column uses the scale of the options.
        var unguidedRows = rows.Select(row => new Tiny.Row { Label = row.Label });
        var unguided = Tiny.Pixels(model, Ml.Data.LoadFromEnumerable(unguidedRows));
        AreClose(Row(new() { GuidanceScale = 4 }, 3), unguided[3]);

        static float[] Row(SamplingOptions options, int row)
        {
            using var model = Ml.ImageGeneration.WithSampling(Model, options);
            var rows = Enumerable.Repeat(new Tiny.Row { Label = 1 }, row + 1);
            return Tiny.Pixels(model, Ml.Data.LoadFromEnumerable(rows))[row];
        }
    }

    [TestMethod]
    public void GuidanceScaleZero_IsTheImageWithoutALabel()
    {
        using var model = Ml.ImageGeneration.WithSampling(Model, Everywhere with { GuidanceScale = 0 });
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
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => Tiny.Pixels(model, data)).Message;
        Assert.Contains($"Row 1: column 'Guidance' must be in [0, 1000], but is {value}", message);
    }

    [TestMethod]
    public void GuidanceColumn_OfAnotherType_IsRefused()
    {
        using var model = Ml.ImageGeneration.WithSampling(Model, new() { GuidanceColumnName = "Label" });
        var rows = Tiny.Rows(Ml);
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
