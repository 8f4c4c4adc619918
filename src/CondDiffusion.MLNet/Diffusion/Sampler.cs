namespace CondDiffusion.MLNet;

/// <summary>How a picture is drawn out of noise, with one evaluation of the network a step (two with guidance).</summary>
public enum Sampler
{
    /// <summary>
    /// Draws fresh noise in every step, of the posterior's variance (Ho et al. 2020, arXiv 2006.11239, algorithm 2): the method's. Wants
    /// hundreds of steps.
    /// </summary>
    Ancestral,

    /// <summary>
    /// Denoising diffusion implicit models (Song et al. 2021, arXiv 2010.02502): draws as much fresh noise as
    /// <see cref="SamplingOptions.Eta"/> says, none by default. Wants some fifty steps.
    /// </summary>
    Ddim,

    /// <summary>DPM-Solver++ (2M) (Lu et al. 2022, arXiv 2211.01095): no fresh noise, and second order. Wants ten to twenty steps.</summary>
    DpmSolver,
}
