using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet;

/// <summary>All that decides a training's result, as text by option: what a training must share with the checkpoint that it goes on from.</summary>
internal static class TrainingIdentity
{
    /// <param name="options">Of the training.</param>
    /// <param name="seed">The seed that it took, which the options may leave open.</param>
    /// <param name="type">The number format that it took.</param>
    /// <param name="labels">Its labels.</param>
    /// <param name="images">Its images.</param>
    public static IReadOnlyDictionary<string, string> Of(
        ConditionalDiffusionTrainer.Options options, int seed, ScalarType type, LabelVocabulary labels, ImageStore images)
    {
        var identity = new Dictionary<string, string>
        {
            [nameof(options.Channels)] = Text(options.Channels),
            [nameof(options.Height)] = Text(options.Height),
            [nameof(options.Width)] = Text(options.Width),
            [nameof(options.ChannelWidths)] = $"[{string.Join(", ", options.ChannelWidths.Select(width => Text(width)))}]",
            [nameof(options.EmbeddingSize)] = Text(options.EmbeddingSize),
            [nameof(options.Timesteps)] = Text(options.Timesteps),
            [nameof(options.Schedule)] = $"{options.Schedule}",
            [nameof(options.Prediction)] = $"{options.Prediction}",
            [nameof(options.MinSnrGamma)] = Text(options.MinSnrGamma),
            [nameof(options.LabelDropout)] = Text(options.LabelDropout),
            [nameof(options.BatchSize)] = Text(options.BatchSize),
            [nameof(options.LearningRate)] = Text(options.LearningRate),
            [nameof(options.WarmUpSteps)] = Text(options.WarmUpSteps),
            [nameof(options.CosineLearningRateDecay)] = $"{options.CosineLearningRateDecay}",
            [nameof(options.GradientClipNorm)] = Text(options.GradientClipNorm),
            [nameof(options.ValidationFraction)] = Text(options.ValidationFraction),
            [nameof(options.MovingAverageDecay)] = Text(options.MovingAverageDecay),
            [nameof(options.Precision)] = $"{type}",
            [nameof(options.Seed)] = Text(seed),
            ["labels"] = labels.Values is null ? $"{labels}" : $"{labels}, SHA-256 {Hash(labels.Values)}",
            ["images"] = $"{images.Count}, SHA-256 {images.Fingerprint}",
        };
        // The steps of a longer training begin with those of a shorter one, unless the learning rate depends on how long it is.
        if (options.CosineLearningRateDecay) identity[nameof(options.Epochs)] = Text(options.Epochs);
        return identity;
    }

    /// <summary>The seed of a training that has this identity.</summary>
    public static int Seed(IReadOnlyDictionary<string, string> identity) =>
        int.Parse(identity[nameof(ConditionalDiffusionTrainer.Options.Seed)], CultureInfo.InvariantCulture);

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);

    private static string Hash(IEnumerable<string> values) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', values))));
}
