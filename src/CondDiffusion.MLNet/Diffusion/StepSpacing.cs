namespace CondDiffusion.MLNet;

/// <summary>
/// Which of a model's timesteps 1..T a sampler visits when it takes N steps. Each begins at T, where a picture is noise alone, and takes N
/// different ones: what falls on one timestep is moved to the next that is free.
/// </summary>
public enum StepSpacing
{
    /// <summary>Evenly from T to 1, both included: the i-th of 0..N-1 is T - i (T - 1) / (N - 1), rounded.</summary>
    Uniform,

    /// <summary>
    /// T and every (T / N)-th below it: T - i T / N, rounded, so that every step is of one length, the last, to 0, too ("trailing" in Lin et
    /// al. 2023, arXiv 2305.08891, table 2).
    /// </summary>
    Trailing,

    /// <summary>
    /// Evenly in the logarithm of the signal-to-noise ratio, from that of T to that of 1, each at the timestep with the nearest (Lu et al.
    /// 2022, arXiv 2206.00927): small pictures gain most from it.
    /// </summary>
    LogSnr,
}
