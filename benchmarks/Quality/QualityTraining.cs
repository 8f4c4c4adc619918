using Options = CondDiffusion.MLNet.ConditionalDiffusionTrainer.Options;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>A training whose model is measured.</summary>
/// <param name="Name">Name on the command line and in the table.</param>
/// <param name="Options">Its options, but for its epochs and its seed.</param>
internal sealed record QualityTraining(string Name, Options Options)
{
    /// <summary>
    /// Gets all trainings: the published method, the plain network, the defaults, and single changes of each.
    /// </summary>
    public static IReadOnlyList<QualityTraining> All { get; } =
    [
        new("published", Published),
        new("published-native-size", Published with { Height = 28, Width = 28 }),
        new("published-average", Published with { MovingAverageLengths = [0.09] }),
        new("published-velocity", Published with { Prediction = PredictionTarget.Velocity }),
        new("published-dropout", Published with { LabelDropout = 0.1 }),
        new("published-min-snr", Published with { MinSnrGamma = 5 }),
        new("plain", Plain),
        new("plain-no-average", Plain with { MovingAverageLengths = [] }),
        new("plain-decaying-rate", Plain with
        {
            LearningRate = 2e-3,
            WarmUpSteps = 200,
            LearningRateDecay = LearningRateDecay.Cosine,
        }),
        new("plain-cosine-schedule", Plain with { Schedule = BetaSchedule.Cosine }),
        new("plain-batch-64", Plain with { BatchSize = 64 }),
        new("plain-native-size", Plain with { Height = 28, Width = 28 }),
        new("plain-log-normal", Plain with { TimestepSampling = TimestepSampling.LogNormal }),
        new("default", new()),
        new("adam", new() { Optimizer = Optimizer.Adam }),
        new("no-average", new() { MovingAverageLengths = [] }),
        new("uniform", new() { TimestepSampling = TimestepSampling.Uniform }),
        new("more-noise", new() { NoiseLevelMean = 0.8 }),
        new("constant-rate", new() { LearningRateDecay = LearningRateDecay.None }),
        new("cosine-rate", new() { LearningRateDecay = LearningRateDecay.Cosine }),
        new("batch-32", new() { BatchSize = 32 }),
        new("batch-128", new() { BatchSize = 128 }),
        new("narrow", new() { ChannelWidths = [64, 128] }),
        new("wide", new() { ChannelWidths = [96, 256] }),
        new("small", Shrink(Plain)),
        new("small-published", Shrink(Published)),
    ];

    /// <summary>
    /// Gets the options of DDPM as published, in the precision that the device is fastest in, sampled as by default.
    /// </summary>
    private static Options Published => Options.Published with { Precision = Precision.Auto, Sampling = new() };

    /// <summary>
    /// Gets the options that were the defaults before those of today: the published network, with velocity, hidden
    /// labels and a moving average.
    /// </summary>
    private static Options Plain => Published with
    {
        Prediction = PredictionTarget.Velocity,
        LabelDropout = 0.1,
        MovingAverageLengths = [0.09],
    };

    /// <summary>Finds a training by its name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists the names.</exception>
    public static QualityTraining Find(string name) => All.FirstOrDefault(training => training.Name == name)
        ?? throw new ArgumentException(
            $"There is no training '{name}'; there are {string.Join(", ", All.Select(training => training.Name))}.");

    private static Options Shrink(Options options) => options with
    {
        Height = 28,
        Width = 28,
        ChannelWidths = [16, 32, 64],
    };
}
