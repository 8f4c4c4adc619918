namespace CondDiffusion.MLNet;

/// <summary>How the noise grows over the timesteps.</summary>
public enum BetaSchedule
{
    /// <summary>Variances from 0.0001 to 0.02, evenly spaced (Ho et al. 2020, arXiv 2006.11239, section 4): the method's.</summary>
    Linear,

    /// <summary>The share of signal follows a squared cosine (Nichol and Dhariwal 2021, arXiv 2102.09672, equation 17).</summary>
    Cosine,
}
