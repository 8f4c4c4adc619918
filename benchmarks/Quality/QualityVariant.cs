using Options = CondDiffusion.MLNet.ConditionalDiffusionTrainer.Options;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>A training, and the guidance with which its model is sampled.</summary>
/// <param name="Name">Name of the difference from the base.</param>
/// <param name="Change">The difference.</param>
/// <param name="Guidance">Guidance scale of the sampling; 1 for none.</param>
internal sealed record QualityVariant(string Name, Func<Options, Options> Change, double Guidance = 1)
{
    /// <summary>Gets all variants: single changes, and combinations of the best.</summary>
    public static IReadOnlyList<QualityVariant> All { get; } =
    [
        new("published method, moving average 0.999", options => options),
        new("moving average off", options => options with { MovingAverageDecay = 0 }),
        new("moving average 0.99", options => options with { MovingAverageDecay = 0.99 }),
        new("learning rate 2e-3, warm-up 200, cosine decay", Decaying),
        new("label dropout 0.1", options => options with { LabelDropout = 0.1 }),
        new("label dropout 0.1, guidance 2", options => options with { LabelDropout = 0.1 }, Guidance: 2),
        new("velocity", options => options with { Prediction = PredictionTarget.Velocity }),
        new("velocity, label dropout 0.1", Velocity),
        new("velocity, label dropout 0.1, guidance 2", Velocity, Guidance: 2),
        new(
            "velocity, label dropout 0.1, guidance 2, moving average off",
            options => Velocity(options) with { MovingAverageDecay = 0 },
            Guidance: 2),
        new(
            "velocity, label dropout 0.1, guidance 2, warm-up 200, cosine decay from 2e-3",
            options => Decaying(Velocity(options)),
            Guidance: 2),
        new("velocity, label dropout 0.1, warm-up 200, cosine decay from 2e-3", options => Decaying(Velocity(options))),
        new("min-SNR 5", options => options with { MinSnrGamma = 5 }),
        new("cosine schedule", options => options with { Schedule = BetaSchedule.Cosine }),
        new("warm-up 200, cosine decay", options => options with { WarmUpSteps = 200, CosineLearningRateDecay = true }),
        new("the same, another seed", options => options with { Seed = 2 }),
        new("gradient clipping 1", options => options with { GradientClipNorm = 1 }),
        new("learning rate 1e-3", options => options with { LearningRate = 1e-3 }),
        new("label dropout 0.2", options => options with { LabelDropout = 0.2 }),
        new("label dropout 0.2, guidance 2", options => options with { LabelDropout = 0.2 }, Guidance: 2),
    ];

    private static Options Velocity(Options options) => options with
    {
        Prediction = PredictionTarget.Velocity,
        LabelDropout = 0.1,
    };

    private static Options Decaying(Options options) => options with
    {
        LearningRate = 2e-3,
        WarmUpSteps = 200,
        CosineLearningRateDecay = true,
    };
}
