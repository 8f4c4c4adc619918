using System.Diagnostics;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// The variances beta_1..beta_T of the forward process (Ho et al. 2020, arXiv 2006.11239, equation 2) and the
/// quantities that follow from them.
/// </summary>
/// <remarks>
/// Alpha and sigma are those of x_t = alpha_t x_0 + sigma_t eps, as in the papers on samplers. Ho et al. use the letter
/// alpha for something else, 1 - beta; the alpha_t here is the square root of their alpha_bar_t.
/// </remarks>
internal sealed class NoiseSchedule
{
    // The bound of every variance: at 1, nothing would be left of the image.
    private const double MaxBeta = 0.999;

    private readonly double[] _alphaBar;

    private NoiseSchedule(double[] beta)
    {
        _alphaBar = new double[beta.Length + 1];
        _alphaBar[0] = 1;
        for (var t = 1; t <= beta.Length; t++) _alphaBar[t] = _alphaBar[t - 1] * (1 - beta[t - 1]);
    }

    /// <summary>The number of timesteps, T.</summary>
    public int Timesteps => _alphaBar.Length - 1;

    /// <summary>Creates the schedule of a kind.</summary>
    /// <param name="kind">How the noise grows.</param>
    /// <param name="timesteps">The number of timesteps, T.</param>
    /// <param name="scaled">Whether a linear schedule is scaled to T, as all but those of old model files are.</param>
    public static NoiseSchedule Create(BetaSchedule kind, int timesteps, bool scaled = true) => kind switch
    {
        BetaSchedule.Linear => Linear(timesteps, scaled),
        BetaSchedule.Cosine => Cosine(timesteps),
        _ => throw new UnreachableException($"{kind}"),
    };

    /// <summary>
    /// Spaces T variances evenly from 0.0001 to 0.02 (Ho et al. 2020, section 4, where T is 1000).
    /// </summary>
    /// <param name="timesteps">The number of timesteps, T.</param>
    /// <param name="scaled">
    /// Whether the two ends are multiplied by 1000 / T, as in the code of Nichol and Dhariwal 2021 (arXiv 2102.09672),
    /// so that the sum of the variances, and with it the noise at T, is about the same for every T. Variances above
    /// 0.999, which T below 21 would have, become 0.999.
    /// </param>
    public static NoiseSchedule Linear(int timesteps, bool scaled = true)
    {
        var scale = scaled ? 1000.0 / timesteps : 1;
        var first = scale * 1e-4;
        var last = scale * 0.02;

        // The only timestep of T = 1 is the one that has to end in noise.
        if (scaled && timesteps == 1) first = last;

        var step = (last - first) / Math.Max(timesteps - 1, 1);
        return new([.. Enumerable.Range(0, timesteps).Select(i => Math.Min(first + i * step, MaxBeta))]);
    }

    /// <summary>
    /// Makes alpha_bar_t = f(t) / f(0) with f(t) = cos^2((t/T + s) / (1 + s) * pi/2) and s = 0.008, but keeps every
    /// variance at or below 0.999 (Nichol and Dhariwal 2021, arXiv 2102.09672, equation 17).
    /// </summary>
    public static NoiseSchedule Cosine(int timesteps)
    {
        const double S = 0.008;

        double F(int t) => Math.Pow(Math.Cos(((double)t / timesteps + S) / (1 + S) * Math.PI / 2), 2);
        return new([.. Enumerable.Range(1, timesteps).Select(t => Math.Min(1 - F(t) / F(t - 1), MaxBeta))]);
    }

    /// <summary>Returns alpha_bar_t, the product of 1 - beta_1..1 - beta_t, for t in 0..T. It is 1 at t = 0.</summary>
    public double AlphaBar(int t) => _alphaBar[t];

    /// <summary>Returns alpha_t = sqrt(alpha_bar_t), the factor of the image in x_t, for t in 0..T.</summary>
    public double Alpha(int t) => Math.Sqrt(_alphaBar[t]);

    /// <summary>
    /// Returns sigma_t = sqrt(1 - alpha_bar_t), the standard deviation of the noise in x_t, for t in 0..T. It is 0 at
    /// t = 0.
    /// </summary>
    public double Sigma(int t) => Math.Sqrt(1 - _alphaBar[t]);

    /// <summary>
    /// Returns the noise level sigma_t / alpha_t, for t in 0..T: the standard deviation of the noise relative to the
    /// image (Karras et al. 2022, arXiv 2206.00364, call it sigma). It is 0 at t = 0 and rises with t.
    /// </summary>
    public double NoiseLevel(int t) => Sigma(t) / Alpha(t);

    /// <summary>Returns the signal-to-noise ratio alpha_bar_t / (1 - alpha_bar_t), for t in 1..T.</summary>
    public double SignalToNoise(int t) => _alphaBar[t] / (1 - _alphaBar[t]);

    /// <summary>
    /// Returns lambda_t = log(alpha_t / sigma_t), for t in 0..T (Lu et al. 2022, arXiv 2211.01095, section 2). It is
    /// infinite at t = 0.
    /// </summary>
    public double HalfLogSnr(int t) => Math.Log(Alpha(t) / Sigma(t));

    /// <summary>
    /// Returns arctan(sigma_t / alpha_t), for t in 0..T: the angle by which x_t is turned from the image to the noise
    /// (Salimans and Ho 2022, arXiv 2202.00512, appendix D). It is 0 at t = 0 and at most a quarter turn.
    /// </summary>
    public double Angle(int t) => Math.Atan2(Sigma(t), Alpha(t));
}
