using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// Denoising diffusion implicit models (Song et al. 2021, arXiv 2010.02502), and with eta = 1 the ancestral sampling of Ho et al. 2020 (arXiv
/// 2006.11239, algorithm 2, with the posterior variance), each on any of the timesteps.
/// </summary>
internal static class DdimSampler
{
    /// <summary>Runs from x_T to x_0 and returns x_0, in the caller's dispose scope.</summary>
    /// <param name="denoiser">Sees each of the timesteps, once.</param>
    /// <param name="schedule">The schedule that the network was trained with.</param>
    /// <param name="timesteps">The timesteps at which to take a step, falling; the last step leads to 0.</param>
    /// <param name="start">x at the first of them, (B, C, H, W); left as it is.</param>
    /// <param name="eta">How much of the noise is drawn anew: 0 none, 1 as much as ancestral sampling does.</param>
    /// <param name="noise">Standard normal noise like x for the step from t; asked only where some is added, which the last step never does.</param>
    /// <param name="visit">Sees x_s after each step, with s; it must not keep the tensor.</param>
    public static Tensor Sample(
        Denoiser denoiser, NoiseSchedule schedule, IReadOnlyList<int> timesteps, Tensor start, double eta, Func<int, Tensor> noise,
        Action<int, Tensor>? visit = null) =>
        ReverseLoop.Run(timesteps, start, (x, t, s) =>
        {
            var (alphaBar, alphaBarNext) = (schedule.AlphaBar(t), schedule.AlphaBar(s));

            // sigma^2 = eta^2 (1 - alpha_bar_s) / (1 - alpha_bar_t) (1 - alpha_bar_t / alpha_bar_s) (equation 16)
            var sigma = eta * Math.Sqrt((1 - alphaBarNext) / (1 - alphaBar) * (1 - alphaBar / alphaBarNext));

            // x_s = sqrt(alpha_bar_s) x_0 + sqrt(1 - alpha_bar_s - sigma^2) eps + sigma z (equation 12), with the prediction of
            // x_0 = (x_t - sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_bar_t) put in
            var scale = Math.Sqrt(alphaBarNext / alphaBar);
            var direction = Math.Sqrt(Math.Max(1 - alphaBarNext - sigma * sigma, 0)) - scale * schedule.Noise(t);
            var next = scale * x + direction * denoiser(x, t);
            return sigma > 0 ? next + sigma * noise(t) : next;
        }, visit);
}
