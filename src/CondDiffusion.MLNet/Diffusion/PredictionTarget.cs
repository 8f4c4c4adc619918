namespace CondDiffusion.MLNet;

/// <summary>What the network predicts from a noisy image x_t.</summary>
public enum PredictionTarget
{
    /// <summary>The noise, eps, as in DDPM as published (Ho et al. 2020, arXiv 2006.11239, equation 14).</summary>
    Noise,

    /// <summary>
    /// The velocity, v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x_0 (Salimans and Ho 2022, arXiv 2202.00512, section
    /// 4).
    /// </summary>
    Velocity,
}
