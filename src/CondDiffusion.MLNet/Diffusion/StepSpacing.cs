namespace CondDiffusion.MLNet;

/// <summary>
/// Which of a model's timesteps 1..T a sampler visits when it takes N steps. Every spacing begins at T, where an image
/// is pure noise, and visits N distinct timesteps: where two steps would share a timestep, one moves to the next free
/// one.
/// </summary>
public enum StepSpacing
{
    /// <summary>
    /// Spaces the timesteps evenly from T to 1, both included: step i of 0..N-1 is at T - i (T - 1) / (N - 1), rounded.
    /// </summary>
    Uniform,

    /// <summary>
    /// Makes all steps, including the last one to 0, equally long: step i of 0..N-1 is at T - i T / N, rounded
    /// ("trailing" in Lin et al. 2023, arXiv 2305.08891, table 2).
    /// </summary>
    Trailing,

    /// <summary>
    /// Spaces the timesteps evenly in the logarithm of the signal-to-noise ratio, from that of T to that of 1, each
    /// rounded to the nearest timestep (Lu et al. 2022, arXiv 2206.00927). Small images gain most from it.
    /// </summary>
    LogSnr,
}
