using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;
using Options = CondDiffusion.MLNet.ConditionalDiffusionTrainer.Options;

namespace CondDiffusion.MLNet.Tests;

/// <summary>
/// The first promise of the README: train, save, load elsewhere, generate. What comes out is compared with what went
/// in.
/// </summary>
[TestClass]
public sealed class FirstPromiseTests
{
    /// <summary>Only the size of the training differs from the defaults, so that it takes three seconds.</summary>
    [TestMethod]
    public void BlackAndWhite_TrainedSavedLoaded_AreGeneratedForTheirLabels()
    {
        var ml = new MLContext(seed: 1);
        var trained = Tiny.Fit(ml, new()
        {
            Height = 8,
            Width = 8,
            ChannelWidths = [32, 32],
            Timesteps = 200,
            Epochs = 300,
            BatchSize = 10,
            LearningRate = 5e-3,
            WarmUpSteps = 20,
        });
        var file = ModelZip.Save(ml, trained);
        trained.Dispose();

        var elsewhere = new MLContext();
        using var model = (ConditionalDiffusionTransformer)ModelZip.Load(elsewhere, file);
        var images = model.Transform(Tiny.Rows(elsewhere, 16)).GetColumn<MLImage>("GeneratedImage").ToArray();
        double[] levels =
        [
            .. images.Select(image => image.Pixels.ToArray().Where((_, i) => i % 4 < 3).Average(level => level)),
        ];

        Assert.IsInRange(0, 45, levels.Where((_, i) => i % 2 == 0).Average());
        Assert.IsInRange(210, 255, levels.Where((_, i) => i % 2 == 1).Average());
        foreach (var image in images) image.Dispose();
    }

    [TestMethod]
    public void Seed_OfTheOptions_GoesBeforeTheContexts()
    {
        Assert.AreSequenceEqual(Weights(contextSeed: 1, seed: 2), Weights(contextSeed: 9, seed: 2));
        Assert.IsFalse(Weights(contextSeed: 1, seed: 2).AsSpan().SequenceEqual(Weights(contextSeed: 1, seed: 3)));
        Assert.IsFalse(Weights(contextSeed: 1, seed: null).AsSpan().SequenceEqual(Weights(contextSeed: 9, seed: null)));

        static byte[] Weights(int contextSeed, int? seed)
        {
            var ml = new MLContext(contextSeed);
            using var model = Tiny.Fit(ml, Tiny.Options with { Seed = seed });
            return new ModelZip(ModelZip.Save(ml, model))[ModelZip.Weights];
        }
    }

    /// <summary>The documents and the comments of the options name these.</summary>
    [TestMethod]
    public void Options_Defaults_AreThoseOfTheDocuments()
    {
        var options = new Options();
        Assert.AreEqual(("Label", "Pixels", "GeneratedImage", null), (
            options.LabelColumnName, options.FeatureColumnName, options.OutputColumnName, options.PixelsColumnName));
        Assert.AreEqual((1, 28, 28, 100), (options.Channels, options.Height, options.Width, options.EmbeddingSize));
        Assert.AreEqual((NetworkArchitecture.Residual, null), (options.Architecture, options.ChannelWidths));
        Assert.AreEqual((TimestepSampling.LogNormal, 0.2, 1.3), (
            options.TimestepSampling, options.NoiseLevelMean, options.NoiseLevelDeviation));
        Assert.AreEqual((0.0, 0.0, 0.0, 0.5), (
            options.ShiftFraction, options.RotationDegrees, options.ScaleFraction, options.AugmentationFraction));
        Assert.AreEqual((1000, BetaSchedule.Linear, PredictionTarget.Velocity), (
            options.Timesteps, options.Schedule, options.Prediction));
        Assert.AreEqual((0.0, 0.1, 0.0), (options.MinSnrGamma, options.LabelDropout, options.LabelSharing));
        Assert.AreSequenceEqual([0.05], options.MovingAverageLengths);
        Assert.AreEqual((50, 64, null), (options.Epochs, options.BatchSize, options.LearningRate));
        Assert.AreEqual(1e-3, options.LoopSettings(1, ScalarType.Float32).LearningRate.Peak);
        Assert.IsNull(options.InitialModel);
        Assert.AreEqual((Optimizer.Muon, 200, LearningRateDecay.Cooldown, 0.0), (
            options.Optimizer, options.WarmUpSteps, options.LearningRateDecay, options.GradientClipNorm));
        Assert.AreEqual((null, Precision.Auto, 1L << 30), (options.Seed, options.Precision, options.ImageMemory));
        Assert.AreEqual((null, TimeSpan.FromSeconds(0.2), null), (
            options.Progress, options.ProgressInterval, options.TensorBoardDirectory));
        Assert.AreEqual((0, 0.0, null), (
            options.SampleEpochs, options.ValidationFraction, options.CheckpointDirectory));
        Assert.AreEqual((CancellationBehavior.Throw, default), (options.OnCancellation, options.CancellationToken));
        Assert.AreEqual((TimeSpan.FromMinutes(10), 0, 3), (
            options.CheckpointInterval, options.CheckpointSteps, options.CheckpointsKept));
        Assert.IsNull(options.GenerationBatchSize);
        Assert.AreEqual(new(), options.Sampling);
    }

    [TestMethod]
    public void SamplingOptions_Defaults_AreThoseOfTheDocuments()
    {
        var options = new SamplingOptions();
        Assert.AreEqual((Sampler.DpmSolver, null, 0.0), (options.Sampler, options.Steps, options.Eta));
        Assert.AreEqual((StepSpacing.Focused, true, Precision.Auto), (
            options.Spacing, options.ClipPixels, options.Precision));
        Assert.AreEqual((null, 0.5, 5.0, null), (
            options.GuidanceScale, options.GuidanceSigmaLow, options.GuidanceSigmaHigh, options.GuidanceColumnName));
        Assert.AreEqual((null, null, MissingLabelBehavior.Error), (
            options.Seed, options.SeedColumnName, options.MissingLabels));
    }
}
