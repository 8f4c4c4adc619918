namespace CondDiffusion.MLNet.Diffusion;

/// <summary>The variances beta_1..beta_T of the forward process (Ho et al. 2020, arXiv 2006.11239, equation 2), and what follows from them.</summary>
internal sealed class NoiseSchedule
{
    private readonly double[] _alphaBar;

    private NoiseSchedule(double[] beta)
    {
        _alphaBar = new double[beta.Length + 1];
        _alphaBar[0] = 1;
        for (var t = 1; t <= beta.Length; t++) _alphaBar[t] = _alphaBar[t - 1] * (1 - beta[t - 1]);
    }

    /// <summary>T.</summary>
    public int Timesteps => _alphaBar.Length - 1;

    public static NoiseSchedule Create(BetaSchedule kind, int timesteps) => kind == BetaSchedule.Cosine ? Cosine(timesteps) : Linear(timesteps);

    /// <summary>T variances from 0.0001 to 0.02, evenly spaced (Ho et al., section 4).</summary>
    public static NoiseSchedule Linear(int timesteps)
    {
        const double First = 1e-4, Last = 0.02;
        var step = (Last - First) / Math.Max(timesteps - 1, 1);
        return new([.. Enumerable.Range(0, timesteps).Select(i => First + i * step)]);
    }

    /// <summary>
    /// alpha_bar_t = f(t) / f(0) with f(t) = cos^2((t/T + s) / (1 + s) * pi/2), s = 0.008, and no variance above 0.999 (Nichol and Dhariwal
    /// 2021, arXiv 2102.09672, equation 17).
    /// </summary>
    public static NoiseSchedule Cosine(int timesteps)
    {
        const double S = 0.008, Most = 0.999;
        double F(int t) => Math.Pow(Math.Cos(((double)t / timesteps + S) / (1 + S) * Math.PI / 2), 2);
        return new([.. Enumerable.Range(1, timesteps).Select(t => Math.Min(1 - F(t) / F(t - 1), Most))]);
    }

    /// <summary>The product of alpha_1..alpha_t, where alpha_t = 1 - beta_t, for t in 0..T; 1 at t = 0.</summary>
    public double AlphaBar(int t) => _alphaBar[t];

    /// <summary>What remains of the image in x_t, sqrt(alpha_bar_t), for t in 0..T.</summary>
    public double Signal(int t) => Math.Sqrt(_alphaBar[t]);

    /// <summary>The standard deviation of the noise in x_t, sqrt(1 - alpha_bar_t), for t in 0..T; 0 at t = 0.</summary>
    public double Noise(int t) => Math.Sqrt(1 - _alphaBar[t]);

    /// <summary>The signal-to-noise ratio alpha_bar_t / (1 - alpha_bar_t), for t in 1..T.</summary>
    public double SignalToNoise(int t) => _alphaBar[t] / (1 - _alphaBar[t]);

    /// <summary>lambda_t, the logarithm of signal over noise, for t in 0..T (Lu et al. 2022, arXiv 2211.01095, section 2); infinite at t = 0.</summary>
    public double HalfLogSnr(int t) => Math.Log(Signal(t) / Noise(t));
}
