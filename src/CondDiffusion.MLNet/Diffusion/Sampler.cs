namespace CondDiffusion.MLNet;

/// <summary>
/// The algorithm that turns noise into an image. Each evaluates the network once per step, on twice the rows where
/// guidance is on.
/// </summary>
public enum Sampler
{
    /// <summary>
    /// Adds fresh noise of the posterior's variance in every step, as DDPM was published (Ho et al. 2020, arXiv
    /// 2006.11239, algorithm 2). It needs hundreds of steps.
    /// </summary>
    Ancestral,

    /// <summary>
    /// Denoising diffusion implicit models (Song et al. 2021, arXiv 2010.02502). <see cref="SamplingOptions.Eta"/> says
    /// how much fresh noise each step adds, by default none. It needs some fifty steps.
    /// </summary>
    Ddim,

    /// <summary>
    /// DPM-Solver++ (2M) (Lu et al. 2022, arXiv 2211.01095), which is of second order and adds no fresh noise. It needs
    /// ten to twenty steps.
    /// </summary>
    DpmSolver,
}
