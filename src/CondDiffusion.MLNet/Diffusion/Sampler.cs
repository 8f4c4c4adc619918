namespace CondDiffusion.MLNet;

/// <summary>
/// The algorithm that turns noise into an image. Each one evaluates the network once a step, or twice with guidance.
/// </summary>
public enum Sampler
{
    /// <summary>
    /// Ancestral sampling, as in DDPM as published (Ho et al. 2020, arXiv 2006.11239, algorithm 2): adds fresh noise in
    /// every step, with the variance of the posterior. It needs hundreds of steps.
    /// </summary>
    Ancestral,

    /// <summary>
    /// Denoising diffusion implicit models (Song et al. 2021, arXiv 2010.02502): adds as much fresh noise as
    /// <see cref="SamplingOptions.Eta"/> says, by default none. It needs about fifty steps.
    /// </summary>
    Ddim,

    /// <summary>
    /// DPM-Solver++ (2M) (Lu et al. 2022, arXiv 2211.01095): a method of second order, which adds no noise. It needs
    /// eight to twenty steps.
    /// </summary>
    DpmSolver,
}
