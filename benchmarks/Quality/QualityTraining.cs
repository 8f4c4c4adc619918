using CondDiffusion.Examples;
using Options = CondDiffusion.MLNet.ConditionalDiffusionTrainer.Options;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>A training whose model is measured.</summary>
/// <param name="Name">Name on the command line and in the table.</param>
/// <param name="Change">What it changes of the default options.</param>
internal sealed record QualityTraining(string Name, Func<Options, Options> Change)
{
    /// <summary>Gets all trainings: the published method, the defaults, and single changes of each.</summary>
    public static IReadOnlyList<QualityTraining> All { get; } =
    [
        new("published", Publish),
        new("published-average", options => Publish(options) with { MovingAverageLengths = [0.09] }),
        new("published-velocity", options => Publish(options) with { Prediction = PredictionTarget.Velocity }),
        new("published-dropout", options => Publish(options) with { LabelDropout = 0.1 }),
        new("published-min-snr", options => Publish(options) with { MinSnrGamma = 5 }),
        new("default", options => options),
        new("no-average", options => options with { MovingAverageLengths = [] }),
        new("decaying-rate", options => options with
        {
            LearningRate = 2e-3,
            WarmUpSteps = 200,
            LearningRateDecay = LearningRateDecay.Cosine,
        }),
        new("cosine-schedule", options => options with { Schedule = BetaSchedule.Cosine }),
        new("batch-64", options => options with { BatchSize = 64 }),
        new("native-size", options => options with { Height = 28, Width = 28 }),
        new("log-normal", options => options with { TimestepSampling = TimestepSampling.LogNormal }),
        new("residual", Residual),
        new("residual-muon", options => Residual(options) with { Optimizer = Optimizer.Muon }),
        new("residual-muon-batch-32", options => Residual(options) with
        {
            Optimizer = Optimizer.Muon,
            BatchSize = 32,
        }),
        new("residual-uniform", options => Residual(options) with { TimestepSampling = TimestepSampling.Uniform }),
        new("residual-constant", options => Residual(options) with { LearningRateDecay = LearningRateDecay.None }),
        new("residual-cosine", options => Residual(options) with { LearningRateDecay = LearningRateDecay.Cosine }),
        new("residual-batch-128", options => Residual(options) with { BatchSize = 128 }),
        new("residual-narrow", options => Residual(options) with { ChannelWidths = [64, 128] }),
        new("residual-wide", options => Residual(options) with { ChannelWidths = [96, 256] }),
        new("small", Shrink),
        new("small-published", options => Publish(Shrink(options))),
    ];

    /// <summary>Finds a training by its name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists the names.</exception>
    public static QualityTraining Find(string name) => All.FirstOrDefault(training => training.Name == name)
        ?? throw new ArgumentException(
            $"There is no training '{name}'; there are {string.Join(", ", All.Select(training => training.Name))}.");

    /// <summary>Returns options of the residual network, from which single changes are measured.</summary>
    private static Options Residual(Options options) => TrainCommand.Residual with
    {
        Height = 28,
        Width = 28,
        Optimizer = options.Optimizer,
    };

    private static Options Shrink(Options options) => options with
    {
        Height = 28,
        Width = 28,
        ChannelWidths = [16, 32, 64],
    };

    /// <summary>Returns the options of DDPM as published, in the precision that the device is fastest in.</summary>
    private static Options Publish(Options options) => options with
    {
        Prediction = PredictionTarget.Noise,
        LabelDropout = 0,
        MovingAverageLengths = [],
    };
}
