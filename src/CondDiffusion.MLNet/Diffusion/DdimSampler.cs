using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// Denoising diffusion implicit models (Song et al. 2021, arXiv 2010.02502). With eta = 1 this is the ancestral
/// sampling of Ho et al. 2020 (arXiv 2006.11239, algorithm 2, with the posterior's variance). Any of the timesteps can
/// be left out.
/// </summary>
internal static class DdimSampler
{
    /// <summary>Runs from x_T to x_0 and returns x_0, in the caller's dispose scope.</summary>
    /// <param name="denoiser">The denoiser, which is evaluated once at each of the timesteps.</param>
    /// <param name="schedule">The schedule that the network was trained with.</param>
    /// <param name="timesteps">The timesteps at which to take a step, falling. The last step leads to 0.</param>
    /// <param name="start">x at the first timestep, (B, C, H, W). The sampler leaves it as it is.</param>
    /// <param name="eta">The amount of fresh noise: 0 is none, 1 is as much as ancestral sampling adds.</param>
    /// <param name="noise">
    /// Returns standard normal noise of x's shape for the step from t. Called only for steps that add noise; the last
    /// step never does.
    /// </param>
    /// <param name="visit">Receives s and x_s after each step. It must not keep the tensor.</param>
    public static Tensor Sample(
        Denoiser denoiser, NoiseSchedule schedule, IReadOnlyList<int> timesteps, Tensor start, double eta,
        Func<int, Tensor> noise, Action<int, Tensor>? visit = null) =>
        ReverseLoop.Run(timesteps, start, (xt, t, s, step) =>
        {
            var alphaBarT = schedule.AlphaBar(t);
            var alphaBarS = schedule.AlphaBar(s);

            // sigma = eta sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) sqrt(1 - alpha_bar_t / alpha_bar_s)
            // (equation 16). This sigma is the deviation of the fresh noise z, not that of all noise in x_t.
            var sigma = eta * Math.Sqrt((1 - alphaBarS) / (1 - alphaBarT) * (1 - alphaBarT / alphaBarS));

            var xs = Step(schedule, xt, denoiser(xt, t, step), t, s, sigma);
            return sigma > 0 ? xs.Plus(noise(t).Times(sigma)) : xs;
        }, visit);

    /// <summary>Takes one step from x_t to x_s, to which fresh noise of a deviation is still to be added.</summary>
    /// <param name="schedule">The schedule that the network was trained with.</param>
    /// <param name="xt">x_t, (B, C, H, W).</param>
    /// <param name="x0">The predicted image, (B, C, H, W).</param>
    /// <param name="t">The timestep of x_t.</param>
    /// <param name="s">The timestep to step to, below t.</param>
    /// <param name="sigma">The deviation of the fresh noise.</param>
    public static Tensor Step(NoiseSchedule schedule, Tensor xt, Tensor x0, int t, int s, double sigma = 0)
    {
        var eps = (xt - x0.Times(schedule.Alpha(t))).Over(schedule.Sigma(t));

        // x_s = sqrt(alpha_bar_s) x_0 + sqrt(1 - alpha_bar_s - sigma^2) eps + sigma z (equation 12)
        return x0.Times(schedule.Alpha(s)).Plus(
            eps.Times(Math.Sqrt(Math.Max(1 - schedule.AlphaBar(s) - sigma * sigma, 0))));
    }
}
