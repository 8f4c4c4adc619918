using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// DPM-Solver++ (2M) (Lu et al. 2022, arXiv 2211.01095, algorithm 2). It follows the same path as DDIM with eta = 0,
/// but to the second order, by extrapolating the last two predicted images.
/// </summary>
/// <remarks>
/// The first step is of first order because no prediction precedes it. A last step to t = 0, where lambda is
/// infinite, is of first order too and returns the predicted image. The authors advise such a last step for fewer than
/// 15 steps; here every number of steps has it.
/// </remarks>
internal static class DpmSolverSampler
{
    /// <inheritdoc cref="SampleTo"/>
    /// <summary>Runs from x_T to x_0 and returns x_0, in the caller's dispose scope.</summary>
    public static Tensor Sample(
        Denoiser denoiser, NoiseSchedule schedule, IReadOnlyList<int> timesteps, Tensor start,
        Action<int, Tensor>? visit = null) => SampleTo(0, denoiser, schedule, timesteps, start, visit);

    /// <summary>Runs from x_T to x_end and returns x_end, in the caller's dispose scope.</summary>
    /// <param name="end">The timestep to which the last step leads.</param>
    /// <param name="denoiser">The denoiser, which is evaluated once at each of the timesteps.</param>
    /// <param name="schedule">The schedule that the network was trained with.</param>
    /// <param name="timesteps">The timesteps at which to take a step, falling.</param>
    /// <param name="start">x at the first timestep, (B, C, H, W). The sampler leaves it as it is.</param>
    /// <param name="visit">Receives s and x_s after each step. It must not keep the tensor.</param>
    public static Tensor SampleTo(
        int end, Denoiser denoiser, NoiseSchedule schedule, IReadOnlyList<int> timesteps, Tensor start,
        Action<int, Tensor>? visit = null)
    {
        var steps = Steps(schedule, timesteps, end);
        Tensor? x0Before = null;
        try
        {
            return ReverseLoop.Run(timesteps, start, TakeStep, visit, end);
        }
        finally
        {
            x0Before?.Dispose();
        }

        Tensor TakeStep(Tensor xt, int t, int s, int step)
        {
            var x0 = denoiser(xt, t, step);
            var numbers = steps[step];
            var d = numbers.Change == 0 ? x0 : x0.Plus((x0 - x0Before!).Times(numbers.Change));
            var xs = xt.Times(numbers.Noisy).Plus(d.Times(numbers.Image));

            x0Before?.Dispose();
            x0Before = x0.DetachFromDisposeScope(); // the next step needs it
            return xs;
        }
    }

    /// <summary>Returns the numbers of the steps.</summary>
    /// <param name="schedule">The schedule that the network was trained with.</param>
    /// <param name="timesteps">The timesteps at which to take a step, falling.</param>
    /// <param name="end">The timestep to which the last step leads.</param>
    public static DpmSolverStep[] Steps(NoiseSchedule schedule, IReadOnlyList<int> timesteps, int end = 0)
    {
        var steps = new DpmSolverStep[timesteps.Count];
        var hBefore = 0.0;
        for (var i = 0; i < steps.Length; i++)
        {
            var t = timesteps[i];
            var s = i + 1 < steps.Length ? timesteps[i + 1] : end;
            var h = schedule.HalfLogSnr(s) - schedule.HalfLogSnr(t);

            // D = (1 + 1 / (2 r)) x_0 - 1 / (2 r) x_0' with r = h' / h, where ' marks the step before
            var change = i == 0 || s == 0 ? 0 : h / (2 * hBefore);

            // x_s = sigma_s / sigma_t x_t - alpha_s (e^-h - 1) D
            steps[i] = new(
                schedule.Sigma(s) / schedule.Sigma(t), -schedule.Alpha(s) * (Math.Exp(-h) - 1), change);
            hBefore = h;
        }

        return steps;
    }
}
