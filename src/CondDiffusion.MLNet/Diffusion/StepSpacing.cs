namespace CondDiffusion.MLNet;

/// <summary>
/// Which of a model's timesteps 1..T a sampler visits when it takes N steps. Every spacing begins at T, where x_T is
/// pure noise, and visits N different timesteps: where steps fall on the same one, the earlier ones move up to free
/// ones, and at T the later ones move down.
/// </summary>
public enum StepSpacing
{
    /// <summary>Evenly from T to 1, both included: step i of 0..N-1 is at T - i (T - 1) / (N - 1), rounded.</summary>
    Uniform,

    /// <summary>
    /// T and every (T / N)-th timestep below it: step i of 0..N-1 is at T - i T / N, rounded. All steps have the same
    /// length, including the last one, to 0 ("trailing" in Lin et al. 2023, arXiv 2305.08891, table 2).
    /// </summary>
    Trailing,

    /// <summary>
    /// Evenly in the logarithm of the signal-to-noise ratio, from that of T to that of 1, each step at the nearest
    /// timestep (Lu et al. 2022, arXiv 2206.00927). In ten steps of <see cref="Sampler.DpmSolver"/>, digits of MNIST
    /// came nearer to real ones than in <see cref="Uniform"/> or <see cref="Trailing"/>; in ten steps of
    /// <see cref="Sampler.Ddim"/>, less near.
    /// </summary>
    LogSnr,

    /// <summary>
    /// Evenly in the angle arctan(sigma_t / alpha_t), which is 0 at t = 0: step i of 0..N-1 is at (N - i) / N of the
    /// angle of T, at the nearest timestep. Distilled models have this spacing (Salimans and Ho 2022, arXiv 2202.00512,
    /// section 4).
    /// </summary>
    Angle,

    /// <summary>
    /// One step from T to the noise level sigma_t / alpha_t = 25, and the others evenly in the logarithm of the
    /// signal-to-noise ratio from there to the level 0.03, each at the nearest timestep. The last step leads from 0.03,
    /// which is noise of four grey levels, to the image. With two or three steps, too few to visit both 25 and 0.03,
    /// step i of 1..N-1 is at i / N of the way between them. Where the level of T is at most 25, the steps are even
    /// from T on, and where that of timestep 1 is at least 0.03, they end there.
    /// </summary>
    Focused,
}
