namespace CondDiffusion.MLNet.Diffusion;

/// <summary>The variances beta_1..beta_T of the forward process (Ho et al. 2020, arXiv 2006.11239, equation 2), and what follows from them.</summary>
internal sealed class NoiseSchedule
{
    private readonly double[] _beta, _alphaBar;

    private NoiseSchedule(double[] beta)
    {
        _beta = beta;
        _alphaBar = new double[beta.Length + 1];
        _alphaBar[0] = 1;
        for (var t = 1; t <= beta.Length; t++) _alphaBar[t] = _alphaBar[t - 1] * (1 - beta[t - 1]);
    }

    /// <summary>T.</summary>
    public int Timesteps => _beta.Length;

    /// <summary>T variances from 0.0001 to 0.02, evenly spaced (Ho et al., section 4).</summary>
    public static NoiseSchedule Linear(int timesteps)
    {
        const double First = 1e-4, Last = 0.02;
        var step = (Last - First) / Math.Max(timesteps - 1, 1);
        return new([.. Enumerable.Range(0, timesteps).Select(i => First + i * step)]);
    }

    /// <summary>alpha_t = 1 - beta_t, for t in 1..T.</summary>
    public double Alpha(int t) => 1 - _beta[t - 1];

    /// <summary>The product of alpha_1..alpha_t, for t in 0..T; 1 at t = 0.</summary>
    public double AlphaBar(int t) => _alphaBar[t];
}
