namespace CondDiffusion.MLNet;

/// <summary>How the noise grows over the timesteps.</summary>
public enum BetaSchedule
{
    /// <summary>
    /// The variances beta_t grow linearly, from 0.0001 to 0.02 where T is 1,000, as in DDPM as published (Ho et al.
    /// 2020, arXiv 2006.11239, section 4). For other T both ends are multiplied by 1,000 / T, up to 0.999, so that x_T
    /// is noise for any T.
    /// </summary>
    Linear,

    /// <summary>
    /// alpha_bar_t, the fraction of signal in the variance of x_t, falls along a squared cosine (Nichol and Dhariwal
    /// 2021, arXiv 2102.09672, equation 17).
    /// </summary>
    Cosine,
}
