using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet;

public abstract partial record ImageTrainerOptions
{
    /// <summary>The learning rate of the trainer where none is given.</summary>
    private protected abstract double OwnLearningRate { get; }

    /// <summary>The options of one trainer alone that decide a training's result, by name.</summary>
    private protected abstract IEnumerable<(string Name, string Value)> OwnIdentity { get; }

    /// <summary>
    /// Returns everything but the images that decides a training's result, by option name. A training can resume from a
    /// checkpoint only where both have the same.
    /// </summary>
    /// <param name="seed">The seed in use, which the options may leave open.</param>
    /// <param name="device">Device in use, of which only the kind matters.</param>
    /// <param name="type">Data type in use, which the options may leave to the device.</param>
    /// <param name="labels">Labels of the training data.</param>
    internal IReadOnlyDictionary<string, string> Identity(
        int seed, Device device, ScalarType type, LabelVocabulary labels)
    {
        var identity = new Dictionary<string, string>
        {
            // Raise the number when a change of the library changes what a training with equal options ends with.
            [Checkpoint.Algorithm] = "3",
            [Checkpoint.Device] = $"{device.type}",
            [nameof(Channels)] = Text(Channels),
            [nameof(Height)] = Text(Height),
            [nameof(Width)] = Text(Width),
            [nameof(BatchSize)] = Text(BatchSize),
            [nameof(Optimizer)] = $"{Optimizer}",
            [nameof(LearningRate)] = Text(LearningRate ?? OwnLearningRate),
            [nameof(WarmUpSteps)] = Text(WarmUpSteps),
            [nameof(LearningRateDecay)] = $"{LearningRateDecay}",
            [nameof(GradientClipNorm)] = Text(GradientClipNorm),
            [nameof(LabelBalance)] = Text(LabelBalance),
            [nameof(ValidationFraction)] = Text(ValidationFraction),
            [nameof(MovingAverageLengths)] = Text(MovingAverageLengths),
            [nameof(Precision)] = $"{type}",
            [nameof(Seed)] = Text(seed),
            ["labels"] = labels.Values is null ? $"{labels}" : $"{Shorten($"{labels}")}, SHA-256 {Hash(labels.Values)}",
        };
        foreach (var (name, value) in OwnIdentity) identity[name] = value;

        return identity;
    }

    private protected static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);

    private protected static string Text<T>(IReadOnlyList<T> values)
        where T : IFormattable => $"[{string.Join(", ", values.Select(value => Text(value)))}]";

    /// <summary>Returns what every training loop needs of the options.</summary>
    /// <param name="seed">The seed in use, which the options may leave open.</param>
    /// <param name="type">Data type in use, which the options may leave to the device.</param>
    private protected TrainingSettings CommonSettings(ulong seed, ScalarType type) => new()
    {
        Epochs = Epochs,
        BatchSize = BatchSize,
        LearningRate = new(LearningRate ?? OwnLearningRate, WarmUpSteps, LearningRateDecay),
        Seed = seed,
        Type = type,
        Optimizer = Optimizer,
        GradientClipNorm = GradientClipNorm,
        MovingAverageLengths = MovingAverageLengths,
        LabelBalance = LabelBalance,
        ValidationFraction = ValidationFraction,
        ReportInterval = ProgressInterval,
    };

    /// <summary>Checks the options here, but for the size of the images.</summary>
    private protected void CheckCommon(OptionErrors errors)
    {
        errors.ColumnName(LabelColumnName);
        errors.ColumnName(FeatureColumnName);

        errors.Positive(Epochs);
        errors.Positive(BatchSize);
        errors.Defined(Optimizer);
        errors.Positive(LearningRate ?? OwnLearningRate, nameof(LearningRate));
        errors.NotNegative(WarmUpSteps);
        errors.NotNegative(GradientClipNorm);
        errors.Defined(LearningRateDecay);
        CheckAverages(errors);

        errors.Defined(Precision);
        errors.NotNegative(ImageMemory);

        errors.NotNegative(ProgressInterval);
        errors.PathOrNull(TensorBoardDirectory);
        errors.FractionOrAll(LabelBalance);
        errors.Fraction(ValidationFraction);

        errors.Defined(OnCancellation);
        errors.PathOrNull(CheckpointDirectory);
        errors.Positive(CheckpointInterval);
        errors.NotNegative(CheckpointSteps);
        errors.Positive(CheckpointsKept);
    }

    private void CheckAverages(OptionErrors errors)
    {
        errors.NotNull(MovingAverageLengths);
        if (MovingAverageLengths is null) return;

        foreach (var length in MovingAverageLengths)
        {
            errors.Check(
                length is >= MovingAverage.Shortest and <= MovingAverage.Longest,
                nameof(MovingAverageLengths),
                $"from {MovingAverage.Shortest} to {MovingAverage.Longest}",
                length);
        }

        errors.Check(
            MovingAverageLengths.Count < 2 || ValidationFraction > 0,
            nameof(ValidationFraction),
            $"positive, to choose among {MovingAverageLengths.Count} moving averages",
            ValidationFraction);
    }

    /// <summary>Returns the first characters of a text: the head of a checkpoint has a limited size.</summary>
    private static string Shorten(string text) => string.Concat(text.EnumerateRunes().Take(10_000));

    private static string Hash(IEnumerable<string> values) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', values))));
}
