namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The learning rate over a training: a linear warm-up, and then a constant or half a cosine down to 0.
/// </summary>
/// <param name="Peak">The rate after the warm-up.</param>
/// <param name="WarmUpSteps">
/// The number of warm-up steps (Goyal et al. 2017, arXiv 1706.02677, section 2.2); 0 for none.
/// </param>
/// <param name="CosineDecay">
/// Whether it falls to 0 at the last step (Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5).
/// </param>
internal sealed record LearningRate(double Peak, int WarmUpSteps, bool CosineDecay)
{
    /// <summary>Returns the rate of a step.</summary>
    /// <param name="step">The number of the step, from 1.</param>
    /// <param name="steps">The number of steps in the training.</param>
    public double At(long step, long steps)
    {
        if (step <= WarmUpSteps) return Peak * step / WarmUpSteps;
        if (!CosineDecay) return Peak;

        var progress = (double)(step - WarmUpSteps - 1) / Math.Max(steps - WarmUpSteps, 1);
        return Peak * (1 + Math.Cos(Math.PI * progress)) / 2;
    }
}
