namespace CondDiffusion.MLNet;

/// <summary>How a training chooses the timestep of the noise that it adds to an image.</summary>
public enum TimestepSampling
{
    /// <summary>
    /// Every timestep is as likely as any other, as in DDPM as published (Ho et al. 2020, arXiv 2006.11239, algorithm
    /// 1).
    /// </summary>
    Uniform,

    /// <summary>
    /// The noise level sigma_t / alpha_t has a log-normal distribution (Karras et al. 2022, arXiv 2206.00364, table
    /// 1), so that a training spends its steps where images take shape rather than where they can no longer be seen.
    /// One timestep of twenty is chosen uniformly, so that each comes up.
    /// </summary>
    LogNormal,
}
