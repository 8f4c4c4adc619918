namespace CondDiffusion.MLNet;

/// <summary>How the variance of the added noise, beta, grows over the timesteps.</summary>
public enum BetaSchedule
{
    /// <summary>
    /// Spaces the variances evenly from 0.0001 to 0.02, as DDPM was published (Ho et al. 2020, arXiv 2006.11239,
    /// section 4).
    /// </summary>
    Linear,

    /// <summary>
    /// Lets alpha_bar, the signal's fraction of the variance, fall along a squared cosine (Nichol and Dhariwal 2021,
    /// arXiv 2102.09672, equation 17).
    /// </summary>
    Cosine,
}
