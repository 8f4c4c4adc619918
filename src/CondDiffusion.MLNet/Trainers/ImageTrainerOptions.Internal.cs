using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet;

public abstract partial record ImageTrainerOptions
{
    /// <summary>The options of one trainer alone that decide a training's result, by name.</summary>
    private protected abstract IEnumerable<(string Name, string Value)> OwnIdentity { get; }

    /// <summary>
    /// Returns everything that decides a training's result, by option name. A training can resume from a checkpoint
    /// only where both have the same.
    /// </summary>
    /// <param name="seed">The seed in use, which the options may leave open.</param>
    /// <param name="device">Device in use, of which only the kind matters.</param>
    /// <param name="type">Data type in use, which the options may leave to the device.</param>
    /// <param name="labels">Labels of the training data.</param>
    /// <param name="images">Images of the training data.</param>
    internal IReadOnlyDictionary<string, string> Identity(
        int seed, Device device, ScalarType type, LabelVocabulary labels, ImageStore images)
    {
        var identity = new Dictionary<string, string>
        {
            // Raise the number when a change of the library changes what a training with equal options ends with.
            [Checkpoint.Algorithm] = "1",
            [Checkpoint.Device] = $"{device.type}",
            [nameof(Channels)] = Text(Channels),
            [nameof(Height)] = Text(Height),
            [nameof(Width)] = Text(Width),
            [nameof(BatchSize)] = Text(BatchSize),
            [nameof(LearningRate)] = Text(LearningRate),
            [nameof(WarmUpSteps)] = Text(WarmUpSteps),
            [nameof(CosineLearningRateDecay)] = $"{CosineLearningRateDecay}",
            [nameof(GradientClipNorm)] = Text(GradientClipNorm),
            [nameof(ValidationFraction)] = Text(ValidationFraction),
            [nameof(MovingAverageDecay)] = Text(MovingAverageDecay),
            [nameof(Precision)] = $"{type}",
            [nameof(Seed)] = Text(seed),
            ["labels"] = labels.Values is null ? $"{labels}" : $"{labels}, SHA-256 {Hash(labels.Values)}",
            ["images"] = $"{images.Count}, SHA-256 {images.Fingerprint}",
        };
        foreach (var (name, value) in OwnIdentity) identity[name] = value;

        // A longer training begins with the steps of a shorter one, unless the learning rate depends on the number of
        // steps.
        if (CosineLearningRateDecay) identity[nameof(Epochs)] = Text(Epochs);

        return identity;
    }

    private protected static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);

    private protected static string Text(IReadOnlyList<int> values) =>
        $"[{string.Join(", ", values.Select(value => Text(value)))}]";

    /// <summary>Returns what every training loop needs of the options.</summary>
    /// <param name="seed">The seed in use, which the options may leave open.</param>
    private protected TrainingSettings CommonSettings(ulong seed) => new()
    {
        Epochs = Epochs,
        BatchSize = BatchSize,
        LearningRate = new(LearningRate, WarmUpSteps, CosineLearningRateDecay),
        Seed = seed,
        GradientClipNorm = GradientClipNorm,
        MovingAverageDecay = MovingAverageDecay,
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
        errors.Positive(LearningRate);
        errors.NotNegative(WarmUpSteps);
        errors.NotNegative(GradientClipNorm);
        errors.Fraction(MovingAverageDecay);

        errors.Defined(Precision);
        errors.NotNegative(ImageMemory);

        errors.NotNegative(ProgressInterval);
        errors.PathOrNull(TensorBoardDirectory);
        errors.Fraction(ValidationFraction);

        errors.Defined(OnCancellation);
        errors.PathOrNull(CheckpointDirectory);
        errors.Positive(CheckpointInterval);
        errors.NotNegative(CheckpointSteps);
        errors.Positive(CheckpointsKept);
    }

    private static string Hash(IEnumerable<string> values) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', values))));
}
