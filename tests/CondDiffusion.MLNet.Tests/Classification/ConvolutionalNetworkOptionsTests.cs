using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using CondDiffusion.MLNet.Classification;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using static TorchSharp.torch;
using Options = CondDiffusion.MLNet.ConvolutionalNetworkTrainer.Options;

namespace CondDiffusion.MLNet.Tests.Classification;

/// <summary>
/// Every option must reach the part of the training that it belongs to. As in <see cref="TrainingIdentityTests"/>, they
/// are read by reflection, so that an option that is added and then forgotten fails here.
/// </summary>
[TestClass]
public sealed partial class ConvolutionalNetworkOptionsTests
{
    /// <summary>The options that do not decide the weights that a training ends with, and why they do not.</summary>
    private static readonly Dictionary<string, string> NotInIdentity = new()
    {
        [nameof(Options.ExampleWeightColumnName)] = "the weights themselves are in the identity, with the images",
        [nameof(Options.IsGeneratedColumnName)] = "which images are generated is in the identity, with the images",
        [nameof(Options.PredictedLabelColumnName)] = "used after training",
        [nameof(Options.ScoreColumnName)] = "used after training",
        [nameof(Options.FeaturesColumnName)] = "used after training",
    };

    /// <summary>
    /// The options that are neither in the loop's settings nor in the loss nor in the model's description, and who uses
    /// them.
    /// </summary>
    private static readonly Dictionary<string, string> UsedElsewhere = new()
    {
        [nameof(Options.LabelColumnName)] = "the reader of the data",
        [nameof(Options.ExampleWeightColumnName)] = "the reader of the data",
        [nameof(Options.IsGeneratedColumnName)] = "the reader of the data",
    };

    /// <summary>Where the options are found that are not in the loop's settings under their own names.</summary>
    private static readonly Dictionary<string, string> Places = new()
    {
        [nameof(Options.ChannelWidths)] = "Network.Widths",
        [nameof(Options.Channels)] = "Network.Channels",
        [nameof(Options.Height)] = "Network.Height",
        [nameof(Options.Width)] = "Network.Width",
        [nameof(Options.ConvolutionsPerBlock)] = "Network.Convolutions",
        [nameof(Options.FeatureCount)] = "Network.Features",
        [nameof(Options.LearningRate)] = "LearningRate.Peak",
        [nameof(Options.WarmUpSteps)] = "LearningRate.WarmUpSteps",
        [nameof(Options.LearningRateDecay)] = "LearningRate.Decay",
        [nameof(Options.ProgressInterval)] = "Settings.ReportInterval",
        [nameof(Options.FeatureColumnName)] = "Description.FeatureColumnName",
        [nameof(Options.PredictedLabelColumnName)] = "Description.PredictedLabelColumnName",
        [nameof(Options.ScoreColumnName)] = "Description.ScoreColumnName",
        [nameof(Options.FeaturesColumnName)] = "Description.FeaturesColumnName",
        [nameof(Options.Dropout)] = "Loss.dropout",
        [nameof(Options.LabelSmoothing)] = "Loss.labelSmoothing",
        [nameof(Options.ShiftFraction)] = "Augmentation.Shift",
        [nameof(Options.RotationDegrees)] = "Augmentation.Rotation",
        [nameof(Options.ScaleFraction)] = "Augmentation.Scale",
    };

    private static readonly Options Base = Shapes.Options;

    private static readonly LabelVocabulary Labels = new(2, ["cat", "dog"]);

    private static readonly OptionReflection<Options> Reflection = new(Base, Labels, NotInIdentity);

    [TestMethod]
    public void Identity_EveryOption_IsInItOrKnownNotToDecideTheResult() => Reflection.CheckIdentityIsComplete();

    [TestMethod]
    public void Identity_OneOptionChanged_DiffersInItsTextAndNoOther() => Reflection.CheckIdentityOfEachOption();

    [TestMethod]
    public void SettingsLossAndDescription_OneOptionChanged_DifferInItsValueAndNoOther()
    {
        Reflection.CheckArrivals(
            Arrivals,
            UsedElsewhere,
            property => [Places.GetValueOrDefault(property.Name, $"Settings.{property.Name}")]);
    }

    [TestMethod]
    public void LoopSettings_Seed_IsTheSeedInUse() =>
        Assert.AreEqual(77ul, Base.LoopSettings(seed: 77, ScalarType.Float32).Seed);

    /// <summary>The options of the training reach it, and the names of columns do not.</summary>
    [TestMethod]
    public void Fit_OneOptionOfTheTrainingChanged_ChangesTheWeights()
    {
        var options = Base with { Dropout = 0, GradientClipNorm = 100 };
        var plain = Shapes.FitWeights(options);
        Assert.AreSequenceEqual(plain, Shapes.FitWeights(options with
        {
            PredictedLabelColumnName = "P",
            ScoreColumnName = "S",
            FeaturesColumnName = "F",
            ExampleWeightColumnName = "Weight",
            ImageMemory = 0,
        }));
        foreach (var (name, changed) in new (string, Options)[]
        {
            (nameof(Options.Dropout), options with { Dropout = 0.5 }),
            (nameof(Options.LabelSmoothing), options with { LabelSmoothing = 0.1 }),
            (nameof(Options.ShiftFraction), options with { ShiftFraction = 0.1 }),
            (nameof(Options.RotationDegrees), options with { RotationDegrees = 10 }),
            (nameof(Options.ScaleFraction), options with { ScaleFraction = 0.1 }),
            (nameof(Options.GradientClipNorm), options with { GradientClipNorm = 1e-3 }),
            (nameof(Options.MovingAverageLengths), options with { MovingAverageLengths = [0.1] }),
            (nameof(Options.WarmUpSteps), options with { WarmUpSteps = 0 }),
            (nameof(Options.Seed), options with { Seed = 2 }),
        }) Assert.IsFalse(plain.AsSpan().SequenceEqual(Shapes.FitWeights(changed)), name);
    }

    [TestMethod]
    public void Constructor_EveryOptionOutOfRange_NamesAllAtOnce()
    {
        string[] parts =
        [
            "LabelColumnName must be a column name",
            "FeatureColumnName must be a column name",
            "ExampleWeightColumnName must be a column name",
            "IsGeneratedColumnName must be a column name",
            "PredictedLabelColumnName must be a column name",
            "ScoreColumnName must be a column name",
            "FeaturesColumnName must be a column name",
            "Channels must be from 1 to 16777216, but is 0",
            "Height must be from 1 to 16777216, but is -1",
            "Width must be from 1 to 16777216, but is 0",
            "ChannelWidths must be 1 to 16 numbers from 1 to 16777216, but is [4, 0]",
            "ConvolutionsPerBlock must be from 1 to 16, but is 17",
            "FeatureCount must be from 1 to 16777216, but is 0",
            "Dropout must be in [0, 1), but is 1",
            "LabelSmoothing must be in [0, 1), but is -0.1",
            "GeneratedFraction must be in (0, 1) or null, but is 1",
            "ShiftFraction must be in [0, 1), but is NaN",
            "RotationDegrees must be finite and not negative, but is -1",
            "ScaleFraction must be in [0, 1), but is 1",
            "Epochs",
            "BatchSize",
            "LabelBalance must be in [0, 1], but is 1.5",
            "Optimizer",
            "LearningRate",
            "WarmUpSteps",
            "GradientClipNorm",
            "MovingAverageLengths",
            "LearningRateDecay",
            "Precision",
            "ImageMemory",
            "ProgressInterval",
            "TensorBoardDirectory",
            "ValidationFraction",
            "OnCancellation",
            "CheckpointDirectory",
            "CheckpointInterval",
            "CheckpointSteps",
            "CheckpointsKept",
        ];
        Throws.Saying<ArgumentException>(
            () => Create(new()
            {
                LabelColumnName = " ",
                FeatureColumnName = "",
                ExampleWeightColumnName = "",
                IsGeneratedColumnName = " ",
                PredictedLabelColumnName = null!,
                ScoreColumnName = "",
                FeaturesColumnName = " ",
                Channels = 0,
                Height = -1,
                Width = 0,
                ChannelWidths = [4, 0],
                ConvolutionsPerBlock = 17,
                FeatureCount = 0,
                Dropout = 1,
                LabelSmoothing = -0.1,
                GeneratedFraction = 1,
                ShiftFraction = double.NaN,
                RotationDegrees = -1,
                ScaleFraction = 1,
                Epochs = 0,
                BatchSize = 0,
                LabelBalance = 1.5,
                LearningRate = 0,
                WarmUpSteps = -1,
                GradientClipNorm = -1,
                MovingAverageLengths = [1],
                Optimizer = (Optimizer)9,
                LearningRateDecay = (LearningRateDecay)9,
                Precision = (Precision)9,
                ImageMemory = -1,
                ProgressInterval = TimeSpan.FromSeconds(-1),
                TensorBoardDirectory = "",
                ValidationFraction = 1,
                OnCancellation = (CancellationBehavior)9,
                CheckpointDirectory = "",
                CheckpointInterval = TimeSpan.Zero,
                CheckpointSteps = -1,
                CheckpointsKept = 0,
            }),
            ["Invalid options for ConvolutionalNetworkTrainer", .. parts]);

        // Every option that has a range is above.
        string[] free = [nameof(Options.Seed), nameof(Options.Progress), nameof(Options.CancellationToken)];
        var named = parts.Select(part => part.Split(' ')[0]).Concat(free);
        Assert.AreSequenceEqual(
            OptionReflection<Options>.Properties.Select(property => property.Name), named, SequenceOrder.InAnyOrder);
    }

    [TestMethod]
    public void Constructor_OptionsThatDoNotFitTogether_SaysWhich()
    {
        static void Refuses(Options options, string message) =>
            Throws.Saying<ArgumentException>(() => Create(options), message);

        Refuses(new() { ScoreColumnName = "PredictedLabel" }, "ScoreColumnName must be another column than Predicted");
        Refuses(new() { FeaturesColumnName = "Score" }, "FeaturesColumnName must be another column than Score");
        Refuses(new() { FeaturesColumnName = "PredictedLabel" }, "FeaturesColumnName must be another column than Pre");
        Refuses(new() { Height = 4096, Width = 4096 }, "Channels x Height x Width must be at most 4194304 values");
        Refuses(new() { ChannelWidths = [1 << 24, 1 << 24] }, "Parameters must be at most");
        Refuses(new() { ChannelWidths = null! }, "ChannelWidths must be 1 to 16 numbers");
        Refuses(new() { ChannelWidths = [] }, "ChannelWidths must be 1 to 16 numbers");
        Assert.ThrowsExactly<ArgumentNullException>(() => Create(null!));
        Create(new() { ChannelWidths = [.. Enumerable.Repeat(1, 16)], ConvolutionsPerBlock = 16, Height = 1 });
    }

    [TestMethod]
    public void Describe_TooManyLabels_SaysWhatToDo() => Throws.Saying<InvalidOperationException>(
        () => (Base with { FeatureCount = 1 << 20 }).Describe(new(1000, null)),
        "Column 'Label' has too many labels for this network: Parameters must be at most",
        "Lower FeatureCount or ChannelWidths");

    /// <summary>The XML documentation states the default of every option of both trainers.</summary>
    [TestMethod]
    public void Documentation_Defaults_AreTheRealOnes()
    {
        (string Name, object Defaults, string File)[] trainers =
        [
            ("image generation", new ConditionalDiffusionTrainer.Options(), "ConditionalDiffusionTrainer.Options.cs"),
            ("distillation", new DistillationTrainer.Options(), "Distillation/DistillationTrainer.Options.cs"),
            ("classification", new Options(), "Classification/ConvolutionalNetworkTrainer.Options.cs"),
        ];
        foreach (var trainer in trainers)
        {
            var files = new[] { "Trainers/ImageTrainerOptions.cs", trainer.File };
            var documented = files.SelectMany(ReadDefaults).ToDictionary();
            var properties = trainer.Defaults.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance);
            foreach (var property in properties)
            {
                var found = property.GetValue(trainer.Defaults);
                var text = documented[property.Name];
                var own = Each().Matches(text).FirstOrDefault(match => match.Groups[2].Value.Contains(trainer.Name));
                own ??= Each().Matches(text).FirstOrDefault();
                Assert.AreEqual(
                    Describe(found), own?.Groups[1].Value ?? text, $"{property.Name} of {trainer.Name}");
            }
        }
    }

    /// <summary>Returns a value as the documentation writes it.</summary>
    private static string Describe(object? value) => value switch
    {
        null => "null",
        string text => $"\"{text}\"",
        bool isTrue => isTrue ? "true" : "false",
        1L << 30 => "2^30",
        5e-4 => "5e-4",
        2e-3 => "2e-3",
        IEnumerable<int> numbers => string.Join(", ", numbers),
        IReadOnlyList<double> { Count: 0 } => "empty",
        IReadOnlyList<double> numbers => string.Join(", ", numbers),
        TimeSpan { TotalMinutes: >= 1 } time => $"{time.TotalMinutes} minutes",
        TimeSpan time => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds} seconds"),
        CancellationToken { CanBeCanceled: false } => "a token that is never cancelled",
        Enum member => $"{member.GetType().Name}.{member}",
        SamplingOptions options when options == new SamplingOptions() =>
            "8 steps of Sampler.DpmSolver, guided where that can be",
        int and >= 1000 => string.Create(CultureInfo.InvariantCulture, $"{value:N0}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{value}"),
    };

    private static IEnumerable<KeyValuePair<string, string>> ReadDefaults(string file)
    {
        var source = Repository.Read($"src/CondDiffusion.MLNet/{file}");
        foreach (var match in Documented().Matches(source).Cast<Match>())
        {
            var text = Comment().Replace(match.Groups["value"].Value, " ");
            text = See().Replace(text, "$1");
            yield return new(match.Groups["name"].Value, Default().Match(text).Groups[1].Value);
        }
    }

    [GeneratedRegex(
        @"<value>(?<value>(?:(?!</value>)[\s\S])*)</value>\s*(?:///.*\s*)*" +
        @"public [^\n(]*? (?<name>\w+) \{ get; init; \}")]
    private static partial Regex Documented();

    [GeneratedRegex(@"\s*\n\s*///\s*")]
    private static partial Regex Comment();

    [GeneratedRegex("<see cref=\"([^\"]+)\"/>")]
    private static partial Regex See();

    [GeneratedRegex(@"Default: (.*?)(?: \(1 GiB\).*)?\.\s*$")]
    private static partial Regex Default();

    // A default of some of the trainers, as "50 for image generation, 5 for distillation".
    [GeneratedRegex(@"(?:^|, (?:and )?)([^,]+?) for ([^,]+)")]
    private static partial Regex Each();

    private static ConvolutionalNetworkTrainer Create(Options options) =>
        new MLContext().MulticlassClassification.Trainers.ConvolutionalNetwork(options);

    /// <summary>
    /// Returns every value in the loop's settings, the loss and the model's description, by where it is.
    /// </summary>
    private static Dictionary<string, object?> Arrivals(Options options)
    {
        var settings = options.LoopSettings(seed: 1, ScalarType.Float32);
        var description = options.Describe(Labels);
        using var network = ClassifierNetwork.Create(description.Network with { Height = 1, Width = 1 }, CPU, seed: 1);
        using var loss = options.CreateLoss(network, ScalarType.Float32);

        var values = new Dictionary<string, object?>();
        Add("Settings", settings);
        Add("LearningRate", settings.LearningRate);
        Add("Description", description);
        Add("Network", description.Network);
        foreach (var field in typeof(ClassificationLoss).GetFields(BindingFlags.NonPublic | BindingFlags.Instance))
        {
            var value = field.GetValue(loss);
            if (value is AffineAugmentation) Add("Augmentation", value);
            else if (value is not ClassifierNetwork) values.Add($"Loss.{field.Name.Split('<', '>')[1]}", value);
        }

        return values;

        void Add(string record, object owner)
        {
            // Properties that cannot be set follow from the others; the records inside are added on their own.
            foreach (var property in owner.GetType().GetProperties().Where(property => property.CanWrite))
                if (property.PropertyType != typeof(LearningRate) && property.PropertyType != typeof(ClassifierShape))
                    values.Add($"{record}.{property.Name}", property.GetValue(owner));
        }
    }
}
