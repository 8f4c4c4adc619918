using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// DPM-Solver++ (2M) (Lu et al. 2022, arXiv 2211.01095, algorithm 2): the same way as DDIM's with eta = 0, to the second order, by a line
/// through the last two predicted images.
/// </summary>
/// <remarks>
/// The first step is of first order, having no prediction before it, and so is the last, to t = 0, where lambda is infinite: it gives the
/// predicted image. The authors' advice for fewer than 15 steps, a last step of first order, is thereby followed for any number.
/// </remarks>
internal static class DpmSolverSampler
{
    /// <summary>Runs from x_T to x_0 and returns x_0, in the caller's dispose scope.</summary>
    /// <param name="denoiser">Sees each of the timesteps, once.</param>
    /// <param name="schedule">The schedule that the network was trained with.</param>
    /// <param name="timesteps">The timesteps at which to take a step, falling; the last step leads to 0.</param>
    /// <param name="start">x at the first of them, (B, C, H, W); left as it is.</param>
    /// <param name="visit">Sees x_s after each step, with s; it must not keep the tensor.</param>
    public static Tensor Sample(
        Denoiser denoiser, NoiseSchedule schedule, IReadOnlyList<int> timesteps, Tensor start, Action<int, Tensor>? visit = null)
    {
        Tensor? previous = null; // the image predicted by the step before
        var hPrevious = 0.0;
        return ReverseLoop.Run(timesteps, start, (x, t, s) =>
        {
            var x0 = (x - schedule.Noise(t) * denoiser(x, t)) / schedule.Signal(t);
            var h = schedule.HalfLogSnr(s) - schedule.HalfLogSnr(t);

            // D = (1 + 1 / (2 r)) x_0 - 1 / (2 r) x_0', with r = h' / h
            var d = previous is null || s == 0 ? x0 : x0 + h / (2 * hPrevious) * (x0 - previous);
            previous?.Dispose();
            (previous, hPrevious) = (x0.MoveToOuterDisposeScope(), h);

            // x_s = sigma_s / sigma_t x_t - alpha_s (e^-h - 1) D
            return schedule.Noise(s) / schedule.Noise(t) * x - schedule.Signal(s) * (Math.Exp(-h) - 1) * d;
        }, visit);
    }
}
