using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Pipeline;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests;

[TestClass]
public sealed class ImageGenerationCatalogTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly SamplingOptions TwoSteps = new() { Sampler = Sampler.Ddim, Steps = 2, ClipPixels = false };

    [TestMethod]
    public void WithSampling_Transformer_SamplesAsAskedAndLeavesTheOldOne()
    {
        using var model = Tiny.Create(Ml);
        var before = Tiny.Pixels(model, Tiny.Rows(Ml));
        using var changed = Ml.ImageGeneration.WithSampling(model, TwoSteps);
        using var expected = Tiny.Create(Ml, Tiny.Description with { Sampling = TwoSteps });

        Assert.AreSame(TwoSteps, changed.Sampling);
        ModelFileTests.AssertSame(expected, changed);
        Assert.AreSequenceEqual(before[1], Tiny.Pixels(model, Tiny.Rows(Ml))[1]);
        Assert.IsFalse(before[1].SequenceEqual(Tiny.Pixels(changed, Tiny.Rows(Ml))[1]));
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void WithSampling_Weights_AreSharedUntilBothModelsAreDisposed(bool oldFirst)
    {
        TorchRuntime.EnsureLoaded();
        var none = TensorAssert.Count();
        var model = Tiny.Create(Ml);
        var one = Tensor.TotalCount;
        var changed = Ml.ImageGeneration.WithSampling(model, TwoSteps);
        Assert.AreEqual(one, Tensor.TotalCount);

        var (first, last) = oldFirst ? (model, changed) : (changed, model);
        first.Dispose();
        first.Dispose();
        Assert.AreEqual(one, Tensor.TotalCount);
        Assert.ThrowsExactly<ObjectDisposedException>(() => first.Generate(["cat"]));
        Assert.ThrowsExactly<ObjectDisposedException>(() => Ml.ImageGeneration.WithSampling(first, TwoSteps));
        Assert.HasCount(1, last.Generate(["cat"]));
        last.Dispose();
        Assert.AreEqual(none, Tensor.TotalCount);
    }

    /// <summary>The second model of the chain cannot be guided, after the first one has been copied.</summary>
    [TestMethod]
    public void WithSampling_RefusedByOneOfTwo_LeavesNoOwner()
    {
        TorchRuntime.EnsureLoaded();
        var none = TensorAssert.Count();
        var guided = Tiny.Create(Ml, Tiny.Description with { GeneratesUnlabelled = true });
        var other = Tiny.Create(Ml);
        var chain = new TransformerChain<ConditionalDiffusionTransformer>(guided, other);
        Throws.Saying<ArgumentException>(
            () => Ml.ImageGeneration.WithSampling(chain, TwoSteps with { GuidanceScale = 2 }), "GuidanceScale");
        guided.Dispose();
        other.Dispose();
        Assert.AreEqual(none, Tensor.TotalCount);
    }

    [TestMethod]
    public void WithSampling_ChainsInChains_KeepTheirTypesScopesAndOthers()
    {
        using var model = Tiny.Create(Ml);
        var copy = Ml.Transforms.CopyColumns("Again", "Label").Fit(Tiny.Rows(Ml));
        var inTraining = Ml.Transforms.CopyColumns("Copy", "Label").Fit(Tiny.Rows(Ml));
        TransformerChain<ConditionalDiffusionTransformer> inner = new(
            [inTraining, model], [TransformerScope.Training, TransformerScope.Everything]);
        var outer = new TransformerChain<ColumnCopyingTransformer>(inner, copy);

        using var changed = Ml.ImageGeneration.WithSampling(outer, TwoSteps);
        using var expected = Ml.ImageGeneration.WithSampling(model, TwoSteps);
        ModelFileTests.AssertSame(expected, changed);
        Assert.AreSame(copy, changed.LastTransformer);
        var changedInner = (TransformerChain<ConditionalDiffusionTransformer>)changed.First();
        Assert.AreEqual(TwoSteps, changedInner.LastTransformer.Sampling);
        Assert.IsNull(changedInner.Transform(Tiny.Rows(Ml)).Schema.GetColumnOrNull("Copy"));
        var training = changedInner.Transform(Tiny.Rows(Ml), TransformerScope.Training);
        Assert.IsNotNull(training.Schema.GetColumnOrNull("Copy"));

        var any = Ml.ImageGeneration.WithSampling<ITransformer>(outer, TwoSteps);
        using var disposable = (IDisposable)any;
        Assert.IsInstanceOfType<TransformerChain<ColumnCopyingTransformer>>(any);
    }

    [TestMethod]
    public void WithSampling_SavedAndLoaded_SamplesAsAsked()
    {
        var sampling = new SamplingOptions
        {
            Sampler = Sampler.Ddim,
            Steps = 3,
            Eta = 0.5,
            Spacing = StepSpacing.Uniform,
            ClipPixels = false,
            Precision = Precision.BFloat16,
            GuidanceScale = 2.5,
            GuidanceSigmaLow = 0.25,
            GuidanceSigmaHigh = 0.75,
            GuidanceColumnName = "Guidance",
            Seed = -5,
            SeedColumnName = "Seed",
            MissingLabels = MissingLabelBehavior.Unconditional,
        };
        foreach (var property in typeof(SamplingOptions).GetProperties())
            Assert.AreNotEqual(property.GetValue(new SamplingOptions()), property.GetValue(sampling), property.Name);

        using var model = Tiny.Create(Ml, Tiny.Description with { GeneratesUnlabelled = true });
        Assert.IsTrue(model.GeneratesUnlabelled);
        using var changed = Ml.ImageGeneration.WithSampling(model, sampling);
        using var loaded = (ConditionalDiffusionTransformer)ModelZip.Load(Ml, ModelZip.Save(Ml, changed));
        Assert.AreEqual(sampling, loaded.Sampling);
        ModelFileTests.AssertSame(changed, loaded);
    }

    [TestMethod]
    public void WithSampling_ImpossibleOptions_AreRefused()
    {
        using var model = Tiny.Create(Ml);
        void Refuses(SamplingOptions options, params string[] parts) =>
            Throws.Saying<ArgumentException>(() => Ml.ImageGeneration.WithSampling(model, options), parts);

        Refuses(
            new() { Steps = -1, Eta = double.NaN },
            "Steps must be from 1 to 10000, but is -1",
            "Eta must be in [0, 1], but is NaN");
        Refuses(new() { GuidanceSigmaLow = -1 }, "GuidanceSigmaLow must be finite and not negative, but is -1");
        foreach (var high in new[] { 5, double.PositiveInfinity, double.NaN })
        {
            Refuses(
                new() { GuidanceSigmaLow = 5, GuidanceSigmaHigh = high },
                $"GuidanceSigmaHigh must be null, or finite and above GuidanceSigmaLow, but is {high}");
        }

        Assert.IsFalse(model.GeneratesUnlabelled);
        Refuses(new() { GuidanceScale = 2 }, "LabelDropout must be above 0 in training for guidance");
        Refuses(new() { GuidanceColumnName = "Guidance" }, "LabelDropout must be above 0 in training for guidance");

        Assert.ThrowsExactly<ArgumentNullException>(() => Ml.ImageGeneration.WithSampling(model, null!));
        Assert.ThrowsExactly<ArgumentNullException>(() => Ml.ImageGeneration.WithSampling<ITransformer>(null!, new()));

        var copy = Ml.Transforms.CopyColumns("Again", "Label").Fit(Tiny.Rows(Ml));
        foreach (var other in new ITransformer[] { copy, new TransformerChain<ITransformer>(copy) })
        {
            Throws.Saying<ArgumentException>(
                () => Ml.ImageGeneration.WithSampling(other, new()), "no ConditionalDiffusionTransformer");
        }
    }

    /// <summary>The rows have no column of a name that is a default.</summary>
    [TestMethod]
    public void Trainers_NamesOfColumns_AreThoseThatTheyReadAndAdd()
    {
        var rows = Ml.Data.LoadFromEnumerable([new Weighted()]);
        var generator = Ml.ImageGeneration.Trainers.ConditionalDiffusion("Kind", "Photo", "Drawing");
        Assert.Contains("Drawing", Added(generator, rows));

        var classifier = Ml.MulticlassClassification.Trainers.ConvolutionalNetwork("Kind", "Photo", "Importance");
        Assert.Contains("PredictedLabel", Added(classifier, rows));
        var unweighted = Ml.Transforms.DropColumns("Importance").Fit(rows).Transform(rows);
        Throws.Saying<ArgumentOutOfRangeException>(
            () => Added(classifier, unweighted), "Could not find weight column 'Importance'");

        static string[] Added(IEstimator<ITransformer> trainer, IDataView data) =>
            [.. trainer.GetOutputSchema(MLNetInternals.Shape(data.Schema)).Select(column => column.Name)];
    }

    private sealed class Weighted
    {
        [KeyType(2)]
        public uint Kind { get; set; }

        [VectorType(1, 28, 28)]
        public float[] Photo { get; set; } = new float[784];

        public float Importance { get; set; }
    }
}
