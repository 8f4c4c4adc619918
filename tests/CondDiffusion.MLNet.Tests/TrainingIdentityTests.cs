using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using static TorchSharp.torch;
using Options = CondDiffusion.MLNet.ConditionalDiffusionTrainer.Options;

namespace CondDiffusion.MLNet.Tests;

/// <summary>
/// Every option must reach the part of the training that it belongs to. These tests read the options by reflection, so
/// that an option that is added and then forgotten in one of these places fails here.
/// </summary>
[TestClass]
public sealed class TrainingIdentityTests
{
    /// <summary>The options that do not decide the weights that a training ends with, and why they do not.</summary>
    private static readonly Dictionary<string, string> NotInIdentity = new()
    {
        [nameof(Options.OutputColumnName)] = "used after training",
        [nameof(Options.PixelsColumnName)] = "used after training",
        [nameof(Options.Sampling)] = "used after training",
        [nameof(Options.GenerationBatchSize)] = "used after training",
        [nameof(Options.SampleEpochs)] = "reports change nothing",
    };

    /// <summary>
    /// The options that are neither in the loop's settings nor in the model's description, and who uses them.
    /// </summary>
    private static readonly Dictionary<string, string> UsedElsewhere = new()
    {
        [nameof(Options.FeatureColumnName)] = "the reader of the data",
        [nameof(Options.SampleEpochs)] = "the reporter",
        [nameof(Options.InitialModel)] = "the trainer, for the network's initial weights",
    };

    /// <summary>
    /// What the options are called in the loop's settings and the model's description, where that is another name.
    /// </summary>
    private static readonly Dictionary<string, string[]> OtherNames = new()
    {
        [nameof(Options.ChannelWidths)] = ["Network.Widths"],
        [nameof(Options.Channels)] = ["Network.Channels"],
        [nameof(Options.Height)] = ["Network.Height"],
        [nameof(Options.Width)] = ["Network.Width"],
        [nameof(Options.Architecture)] = ["Network.Architecture"],
        [nameof(Options.EmbeddingSize)] = ["Network.EmbeddingSize"],
        [nameof(Options.Timesteps)] = ["Description.Timesteps"],
        [nameof(Options.Schedule)] = ["Description.Schedule"],
        [nameof(Options.Prediction)] = ["Settings.Target", "Description.Prediction"],
        [nameof(Options.ShiftFraction)] = ["Augmentation.Shift"],
        [nameof(Options.RotationDegrees)] = ["Augmentation.Rotation"],
        [nameof(Options.ScaleFraction)] = ["Augmentation.Scale"],
        [nameof(Options.AugmentationFraction)] = ["Augmentation.Fraction"],
        [nameof(Options.LearningRate)] = ["LearningRate.Peak"],
        [nameof(Options.WarmUpSteps)] = ["LearningRate.WarmUpSteps"],
        [nameof(Options.LearningRateDecay)] = ["LearningRate.Decay"],
        [nameof(Options.ProgressInterval)] = ["Settings.ReportInterval"],
        [nameof(Options.LabelColumnName)] = ["Description.LabelColumnName"],
        [nameof(Options.OutputColumnName)] = ["Description.OutputColumnName"],
        [nameof(Options.PixelsColumnName)] = ["Description.PixelsColumnName"],
        [nameof(Options.Sampling)] = ["Description.Sampling"],
        [nameof(Options.GenerationBatchSize)] = ["Description.BatchSize"],
    };

    // Both architectures can have these widths. The default learning rate depends on the initial model. The network has
    // its layer for transforms already, whichever of them is added.
    private static readonly Options Base = Tiny.Options with
    {
        ChannelWidths = [32, 32, 32],
        LearningRate = 1e-3,
        ShiftFraction = 0.1,
    };

    private static readonly LabelVocabulary Labels = new(2, ["cat", "dog"]);

    private static readonly OptionReflection<Options> Reflection = new(Base, Labels, NotInIdentity);

    [TestMethod]
    public void Identity_EveryOption_IsInItOrKnownNotToDecideTheResult() => Reflection.CheckIdentityIsComplete();

    [TestMethod]
    public void Identity_OneOptionChanged_DiffersInItsTextAndNoOther() => Reflection.CheckIdentityOfEachOption();

    [TestMethod]
    public void LoopSettingsAndDescribe_OneOptionChanged_DifferInItsValueAndNoOther()
    {
        Reflection.CheckArrivals(
            Arrivals,
            UsedElsewhere,
            property => OtherNames.GetValueOrDefault(property.Name, [$"Settings.{property.Name}"]));
    }

    [TestMethod]
    public void LoopSettingsAndDescribe_Seed_IsTheSeedInUse()
    {
        Assert.AreEqual(77ul, Base.LoopSettings(seed: 77, ScalarType.Float32).Seed);
        Assert.AreEqual(77ul, Base.Describe(Labels, seed: 77).Seed);
        Assert.AreEqual(77ul, Base.Describe(Labels, seed: 77).NoiseSeed);
        Assert.AreEqual(ScalarType.BFloat16, Base.LoopSettings(seed: 77, ScalarType.BFloat16).Type);
    }

    /// <summary>From the trainer to the file: the description is that of the options that were given.</summary>
    [TestMethod]
    public void Fit_EveryOptionOfTheModelChanged_IsInItsFile()
    {
        var options = Base with
        {
            Prediction = PredictionTarget.Noise,
            Schedule = BetaSchedule.Cosine,
            Timesteps = 12,
            LabelDropout = 0.3,
            OutputColumnName = "Image",
            PixelsColumnName = "Values",
            GenerationBatchSize = 5,
            Seed = 77,
            Sampling = new() { Sampler = Sampler.Ddim, Seed = 78, SeedColumnName = "Noise" },
        };
        var ml = new MLContext(seed: 1);
        using var model = Tiny.Fit(ml, options);
        var file = ModelDescription.Parse(new ModelZip(ModelZip.Save(ml, model))[ModelZip.Description]);

        Assert.AreEqual(
            (PredictionTarget.Noise, BetaSchedule.Cosine, 12), (file.Prediction, file.Schedule, file.Timesteps));
        Assert.AreEqual((true, true), (file.GeneratesUnlabelled, file.ScalesVariances));
        Assert.AreEqual(
            ("Label", "Image", "Values"), (file.LabelColumnName, file.OutputColumnName, file.PixelsColumnName));
        Assert.AreEqual((77ul, 78ul, (int?)5), (file.Seed, file.NoiseSeed, file.BatchSize));
        Assert.AreEqual(options.Sampling with { Steps = 50, GuidanceScale = 2 }, file.Sampling);

        var network = file.Network;
        Assert.AreEqual((1, 8, 8), (network.Channels, network.Height, network.Width));
        Assert.AreEqual((2, 4), (network.Labels, network.EmbeddingSize));
        Assert.AreSequenceEqual([32, 32, 32], network.Widths);
    }

    /// <summary>The options of the training reach it, and those of the sampling do not.</summary>
    [TestMethod]
    public void Fit_OneOptionOfTheTrainingChanged_ChangesTheWeights()
    {
        var options = Tiny.Options with { Epochs = 2, GradientClipNorm = 100, Precision = Precision.Float32 };
        var plain = Weights(options);
        Assert.AreSequenceEqual(plain, Weights(options with { Sampling = new() { Seed = 5, Steps = 3 } }));
        foreach (var (name, changed) in new (string, Options)[]
        {
            (nameof(Options.Prediction), options with { Prediction = PredictionTarget.Noise }),
            (nameof(Options.Schedule), options with { Schedule = BetaSchedule.Cosine }),
            (nameof(Options.Timesteps), options with { Timesteps = 6 }),
            (nameof(Options.GradientClipNorm), options with { GradientClipNorm = 1e-3 }),
            (nameof(Options.LabelDropout), options with { LabelDropout = 0.9 }),
            (nameof(Options.MovingAverageLengths), options with { MovingAverageLengths = [] }),
            (nameof(Options.MinSnrGamma), options with { MinSnrGamma = 0.5 }),
            (nameof(Options.TimestepSampling), options with { TimestepSampling = TimestepSampling.LogNormal }),
            (nameof(Options.LearningRateDecay), options with { LearningRateDecay = LearningRateDecay.Cooldown }),
            (nameof(Options.Seed), options with { Seed = 2 }),
        }) Assert.IsFalse(plain.AsSpan().SequenceEqual(Weights(changed)), name);

        static byte[] Weights(Options options)
        {
            var ml = new MLContext();
            using var model = Tiny.Fit(ml, options);
            return new ModelZip(ModelZip.Save(ml, model))[ModelZip.Weights];
        }
    }

    [TestMethod]
    [DataRow(0.0, false)]
    [DataRow(0.1, true)]
    public void Describe_LabelDropout_DecidesWhetherTheModelGeneratesUnlabelled(double dropout, bool expected) =>
        Assert.AreEqual(expected, (Base with { LabelDropout = dropout }).Describe(Labels, seed: 1).GeneratesUnlabelled);

    /// <summary>
    /// Returns every value in the loop's settings and the model's description, by the record and property it is in.
    /// </summary>
    private static Dictionary<string, object?> Arrivals(Options options)
    {
        var settings = options.LoopSettings(seed: 1, ScalarType.Float32);
        var description = options.Describe(Labels, seed: 1);
        var values = new Dictionary<string, object?>();
        Add("Settings", settings);
        Add("LearningRate", settings.LearningRate);
        Add("Augmentation", settings.Augmentation);
        Add("Description", description);
        Add("Network", description.Network);
        return values;

        void Add(string record, object owner)
        {
            // Properties that cannot be set follow from the others; the records inside are added on their own.
            foreach (var property in owner.GetType().GetProperties().Where(property => property.CanWrite))
                if (property.Name is not ("LearningRate" or "Augmentation" or "Network"))
                    values.Add($"{record}.{property.Name}", property.GetValue(owner));
        }
    }
}
