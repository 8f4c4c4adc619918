using CondDiffusion.MLNet.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

/// <summary>
/// Data distributed as N(m, s^2), for which all that a sampler approaches is known in closed form: x_t is distributed as
/// N(sqrt(alpha_bar_t) m, alpha_bar_t s^2 + 1 - alpha_bar_t).
/// </summary>
internal sealed class GaussianData(NoiseSchedule schedule)
{
    public const double Mean = 0.4, Deviation = 0.3;

    public delegate Tensor Sampler(Denoiser denoiser, NoiseSchedule schedule, int[] timesteps, Tensor start, Action<int, Tensor> visit);

    public NoiseSchedule Schedule => schedule;

    public double MeanAt(int t) => schedule.Signal(t) * Mean;

    public double DeviationAt(int t) => Math.Sqrt(schedule.AlphaBar(t) * Deviation * Deviation + 1 - schedule.AlphaBar(t));

    /// <summary>The best prediction of the noise in x: -sqrt(1 - alpha_bar_t) times the score of x_t.</summary>
    /// <param name="x">x_t.</param>
    /// <param name="t">t.</param>
    /// <param name="means">m, of each value of x.</param>
    public Tensor Noise(Tensor x, int t, Tensor means) => schedule.Noise(t) / Math.Pow(DeviationAt(t), 2) * (x - schedule.Signal(t) * means);

    /// <summary>
    /// How far a deterministic sampler ends from the exact solution of the probability flow, which keeps each x_t at its place in its
    /// distribution. The steps are even in log-SNR, on timesteps so fine that rounding to them hardly counts, between 2% and 95% of the
    /// schedule: from there the step to 0, of another length than the others, would hide the order of these.
    /// </summary>
    public static double Error(int steps, Sampler sampler)
    {
        using var scope = NewDisposeScope();
        var data = new GaussianData(NoiseSchedule.Cosine(1_000_000));
        int[] timesteps = [.. Enumerable.Range(0, steps + 1).Select(i => data.Nearest(0.95, 0.02, (double)i / steps))];
        var start = tensor(new[] { -1.5, -0.2, 0.9, 2 });
        var (first, last) = (timesteps[0], timesteps[^1]);
        var exact = data.MeanAt(last) + (start - data.MeanAt(first)) * (data.DeviationAt(last) / data.DeviationAt(first));
        var error = double.NaN;
        sampler((x, t) => data.Noise(x, t, full_like(x, Mean)), data.Schedule, timesteps, start, (t, x) =>
        {
            if (t == last) error = (x - exact).abs().max().ToDouble();
        });
        return error;
    }

    /// <summary>Each error is the one before, divided by 2^order.</summary>
    public static void IsOfOrder(int order, double[] errors)
    {
        foreach (var (coarse, fine) in errors.Zip(errors.Skip(1)))
            Assert.AreEqual(order, Math.Log2(coarse / fine), 0.1, $"the order, of errors {string.Join(", ", errors)}");
    }

    private int Nearest(double from, double to, double share)
    {
        double Lambda(double part) => schedule.HalfLogSnr((int)(part * schedule.Timesteps));
        var lambda = Lambda(from) + share * (Lambda(to) - Lambda(from));
        var (low, high) = (1, schedule.Timesteps);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (schedule.HalfLogSnr(middle) > lambda) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
