using CondDiffusion.MLNet.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

/// <summary>
/// Data distributed as N(m, d^2). All that a sampler approaches is known in closed form for it, since x_t is
/// distributed as N(alpha_t m, alpha_t^2 d^2 + sigma_t^2).
/// </summary>
internal sealed class GaussianData(NoiseSchedule schedule)
{
    public const double Mean = 0.4;
    public const double Deviation = 0.3;

    public delegate Tensor Sampler(
        Denoiser denoiser, NoiseSchedule schedule, int[] timesteps, Tensor start, Action<int, Tensor> visit);

    public NoiseSchedule Schedule => schedule;

    public double MeanAt(int t) => schedule.Alpha(t) * Mean;

    public double DeviationAt(int t) =>
        Math.Sqrt(schedule.AlphaBar(t) * Deviation * Deviation + 1 - schedule.AlphaBar(t));

    /// <summary>Returns the best prediction of the image, the mean of x_0 given x_t.</summary>
    /// <param name="xt">x_t.</param>
    /// <param name="t">The timestep.</param>
    /// <param name="means">The mean m of each value of x_0.</param>
    public Tensor Image(Tensor xt, int t, Tensor means)
    {
        // E[x_0 | x_t] = m + alpha d^2 / (alpha^2 d^2 + sigma^2) (x_t - alpha m)
        var slope = schedule.Alpha(t) * Math.Pow(Deviation / DeviationAt(t), 2);
        return means + slope * (xt - schedule.Alpha(t) * means);
    }

    /// <summary>
    /// Returns the distance between the result of a deterministic sampler and the exact solution of the probability
    /// flow, which keeps each x_t at its place in its distribution.
    /// </summary>
    /// <remarks>
    /// Unless asked otherwise, the steps are even in log-SNR. They lie between 2% and 95% of the schedule, on timesteps
    /// so fine that rounding to them hardly matters. The step from there to 0 is left out: it has another length and
    /// would hide the order of the others.
    /// </remarks>
    /// <param name="steps">The number of steps.</param>
    /// <param name="sampler">The sampler.</param>
    /// <param name="fraction">Returns where on the way in log-SNR, from 0 to 1, the i-th step begins.</param>
    public static double Error(int steps, Sampler sampler, Func<int, double>? fraction = null)
    {
        fraction ??= i => (double)i / steps;
        using var scope = NewDisposeScope();
        var data = new GaussianData(NoiseSchedule.Cosine(1_000_000));
        int[] timesteps = [.. Enumerable.Range(0, steps + 1).Select(i => data.Nearest(0.95, 0.02, fraction(i)))];
        var first = timesteps[0];
        var last = timesteps[^1];

        var start = tensor(new[] { -1.5, -0.2, 0.9, 2 });
        var growth = data.DeviationAt(last) / data.DeviationAt(first);
        var exact = data.MeanAt(last) + (start - data.MeanAt(first)) * growth;
        var error = double.NaN;
        sampler(
            (xt, t, step) => data.Image(xt, t, full_like(xt, Mean)),
            data.Schedule,
            timesteps,
            start,
            (t, xt) =>
            {
                if (t == last) error = (xt - exact).abs().max().ToDouble();
            });
        return error;
    }

    /// <summary>Asserts that each error is the one before it, divided by 2^order.</summary>
    public static void IsOfOrder(int order, double[] errors)
    {
        foreach (var (coarse, fine) in errors.Zip(errors.Skip(1)))
            Assert.AreEqual(order, Math.Log2(coarse / fine), 0.1, $"the order, of errors {string.Join(", ", errors)}");
    }

    /// <summary>Returns the timestep whose lambda lies at a fraction of the way between those of two others.</summary>
    /// <param name="from">The timestep at fraction 0, as a fraction of T.</param>
    /// <param name="to">The timestep at fraction 1, as a fraction of T.</param>
    /// <param name="fraction">The fraction of the way.</param>
    private int Nearest(double from, double to, double fraction)
    {
        double Lambda(double t) => schedule.HalfLogSnr((int)(t * schedule.Timesteps));
        var lambda = Lambda(from) + fraction * (Lambda(to) - Lambda(from));

        var low = 1;
        var high = schedule.Timesteps;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (schedule.HalfLogSnr(middle) > lambda) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
