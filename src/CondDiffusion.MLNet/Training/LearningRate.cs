using System.Diagnostics;

namespace CondDiffusion.MLNet.Training;

/// <summary>The learning rate over a training: a linear warm-up, a constant, and a fall to 0.</summary>
/// <param name="Peak">The rate after the warm-up.</param>
/// <param name="WarmUpSteps">
/// The number of warm-up steps (Goyal et al. 2017, arXiv 1706.02677, section 2.2); 0 for none.
/// </param>
/// <param name="Decay">How it falls after the warm-up.</param>
internal sealed record LearningRate(double Peak, int WarmUpSteps, LearningRateDecay Decay)
{
    private const int CooldownParts = 5;

    /// <summary>Returns the rate of a step.</summary>
    /// <param name="step">The number of the step, from 1.</param>
    /// <param name="steps">The number of steps in the training.</param>
    public double At(long step, long steps)
    {
        if (step <= WarmUpSteps) return Peak * step / WarmUpSteps;
        if (step <= LastShared(steps)) return Peak;

        // Where the warm-up reaches into the cooldown, the rate does not jump up at its end.
        var start = Math.Max(LastShared(steps), WarmUpSteps);
        var length = Math.Max(steps - start, 1);
        return Decay switch
        {
            LearningRateDecay.Cosine => Peak * (1 + Math.Cos(Math.PI * (step - start - 1) / length)) / 2,
            LearningRateDecay.Cooldown => Peak * (length + start + 1 - step) / (length + 1),
            _ => throw new UnreachableException($"{Decay}"),
        };
    }

    /// <summary>
    /// Returns the last step up to which the rate is the same in a longer training; 0 if it differs from the first
    /// step on.
    /// </summary>
    /// <param name="steps">The number of steps in the training.</param>
    public long LastShared(long steps) => Decay switch
    {
        LearningRateDecay.None => long.MaxValue,
        LearningRateDecay.Cosine => 0,
        LearningRateDecay.Cooldown => steps - steps / CooldownParts,
        _ => throw new UnreachableException($"{Decay}"),
    };
}
