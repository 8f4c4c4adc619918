using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>The way from noise to an image, from timestep to timestep. Which step takes it there is a sampler's affair.</summary>
internal static class ReverseLoop
{
    /// <summary>Runs from x_T to x_0 and returns x_0, in the caller's dispose scope.</summary>
    /// <param name="timesteps">The timesteps at which to take a step, falling; the last step leads to 0.</param>
    /// <param name="start">x at the first of them, (B, C, H, W); left as it is.</param>
    /// <param name="step">Gives x_s of x_t, t and s. What outlives the step goes to the outer dispose scope, which ends with the loop.</param>
    /// <param name="visit">Sees x_s after each step, with s; it must not keep the tensor.</param>
    public static Tensor Run(
        IReadOnlyList<int> timesteps, Tensor start, Func<Tensor, int, int, Tensor> step, Action<int, Tensor>? visit = null)
    {
        using var noGrad = no_grad();
        using var loopScope = NewDisposeScope();
        var x = start.alias();
        for (var i = 0; i < timesteps.Count; i++)
        {
            using var stepScope = NewDisposeScope();
            var (t, s) = (timesteps[i], i + 1 < timesteps.Count ? timesteps[i + 1] : 0);
            var next = step(x, t, s).MoveToOuterDisposeScope();
            x.Dispose();
            x = next;
            visit?.Invoke(s, x);
        }
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>The timesteps, falling from T, of a loop of some steps.</summary>
    /// <param name="schedule">The schedule, with its T.</param>
    /// <param name="spacing">Where they lie.</param>
    /// <param name="steps">How many, 1..T.</param>
    public static int[] Timesteps(NoiseSchedule schedule, StepSpacing spacing, int steps)
    {
        var last = schedule.Timesteps;
        double Share(int i) => (double)i / Math.Max(steps - 1, 1);
        static int Round(double t) => (int)Math.Round(t, MidpointRounding.AwayFromZero);

        var (first, rise, nearest) = (schedule.HalfLogSnr(last), schedule.HalfLogSnr(1) - schedule.HalfLogSnr(last), last);
        int Nearest(double lambda)
        {
            double Distance(int t) => Math.Abs(schedule.HalfLogSnr(t) - lambda);
            while (nearest > 1 && Distance(nearest - 1) <= Distance(nearest)) nearest--; // from where the last search ended
            return nearest;
        }

        int[] timesteps = [.. Enumerable.Range(0, steps).Select(i => spacing switch
        {
            StepSpacing.Uniform => Round(last - Share(i) * (last - 1)),
            StepSpacing.Trailing => Round(last - (double)i * last / steps),
            _ => Nearest(first + Share(i) * rise),
        })];

        // Distinct: upwards where the next is taken, but leaving room for those above.
        for (var i = steps - 2; i >= 0; i--) timesteps[i] = Math.Max(timesteps[i], timesteps[i + 1] + 1);
        for (var i = 0; i < steps; i++) timesteps[i] = Math.Min(timesteps[i], last - i);
        return timesteps;
    }
}
