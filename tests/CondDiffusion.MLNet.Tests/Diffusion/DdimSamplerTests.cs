using System.Globalization;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Tests.Parity;
using CondDiffusion.MLNet.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class DdimSamplerTests
{
    [TestMethod]
    public void Sample_EtaOneOnAllSteps_EqualsTheReferenceLoopAndItsSnapshots()
    {
        using var scope = NewDisposeScope();
        using var golden = new SeedUNet();
        using var network = SeedUNet.CreateNetwork();
        var expected = golden.Table<float[]>("reverse_loop_every_31st").ToDictionary(
            pair => int.Parse(pair.Key, CultureInfo.InvariantCulture), pair => pair.Value);
        var start = (1.4 * SeedUNet.Wave(404, 1, 1, 32, 32)).expand(2, 1, 32, 32);
        var seen = 0;

        var x = DdimSampler.Sample(
            (x, t) => network.Forward(x, full([2], t, ScalarType.Int64), SeedUNet.Labels),
            NoiseSchedule.Linear(1000),
            All(1000),
            start,
            eta: 1,
            t => 1.4 * SeedUNet.Wave(500 + t, 2, 1, 32, 32),
            (t, x) =>
            {
                if (!expected.TryGetValue(t, out var values)) return;
                TensorAssert.AreClose(values, x, 2e-4 * values.Max(Math.Abs), stride: 31);
                seen++;
            });

        Assert.AreEqual(expected.Count, seen);
        var final = golden["reverse_final"];
        TensorAssert.AreClose(final, x, 2e-4 * final.Max(Math.Abs));
    }

    /// <summary>Ho et al., equation 11 with 7, of the chain that is left of the schedule when it has these steps only.</summary>
    [TestMethod]
    [DataRow(new[] { 50, 49, 48, 47 })]
    [DataRow(new[] { 50, 31, 30, 4 })]
    public void Sample_EtaOne_EqualsTheAncestralStep(int[] timesteps)
    {
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Cosine(50);
        var start = Wave(0);
        Tensor Denoiser(Tensor x, int t) => (x + t).sin();

        var expected = start;
        foreach (var (t, s) in timesteps.Zip([.. timesteps.Skip(1), 0]))
        {
            var (alpha, alphaBar, alphaBarNext) = (schedule.AlphaBar(t) / schedule.AlphaBar(s), schedule.AlphaBar(t), schedule.AlphaBar(s));
            expected = (expected - (1 - alpha) / Math.Sqrt(1 - alphaBar) * Denoiser(expected, t)) / Math.Sqrt(alpha);
            if (s > 0) expected += Math.Sqrt((1 - alpha) * (1 - alphaBarNext) / (1 - alphaBar)) * Wave(t);
        }
        var x = DdimSampler.Sample(Denoiser, schedule, timesteps, start, eta: 1, Wave);
        TensorAssert.AreClose(expected, x, 1e-12);

        static Tensor Wave(int t) => (arange(6, ScalarType.Float64) + t).cos();
    }

    [TestMethod]
    public void Sample_EtaZero_AsksForNoNoise()
    {
        using var scope = NewDisposeScope();
        DdimSampler.Sample((x, t) => x, NoiseSchedule.Linear(3), All(3), ones(1), eta: 0, t => throw new InvalidOperationException());
    }

    [TestMethod]
    public void Sample_EtaZero_ConvergesWithTheStepsToTheFirstOrder()
    {
        double[] errors = [.. new[] { 40, 80, 160, 320 }.Select(steps => GaussianData.Error(steps, (denoiser, schedule, timesteps, start, visit) =>
            DdimSampler.Sample(denoiser, schedule, timesteps, start, eta: 0, t => throw new InvalidOperationException(), visit)))];
        GaussianData.IsOfOrder(1, errors);
    }

    /// <summary>
    /// Each step is linear in x and z for Gaussian data, so that one run gives the mean and variance of all pictures: on one row the mean,
    /// on one the share of x_T, and on one for each step that of its noise.
    /// </summary>
    [TestMethod]
    public void Sample_EtaOne_GivesTheMeanAndVarianceOfGaussianData()
    {
        using var scope = NewDisposeScope();
        var data = new GaussianData(NoiseSchedule.Linear(1000));
        (double Mean, double Variance) Run(int steps)
        {
            var timesteps = ReverseLoop.Timesteps(data.Schedule, StepSpacing.Uniform, steps);
            var means = zeros(steps + 2, ScalarType.Float64);
            means[0] = GaussianData.Mean;
            var start = zeros_like(means);
            start[0] = data.MeanAt(1000);
            start[1] = data.DeviationAt(1000);
            var x = DdimSampler.Sample((x, t) => data.Noise(x, t, means), data.Schedule, timesteps, start, eta: 1, t =>
            {
                var noise = zeros_like(means);
                noise[2 + Array.IndexOf(timesteps, t)] = 1;
                return noise;
            });
            return (x[0].ToDouble(), x[1..].square().sum().ToDouble());
        }

        var (all, half) = (Run(1000), Run(500));
        Assert.AreEqual(GaussianData.Mean, all.Mean, 1e-9);
        Assert.AreEqual(GaussianData.Mean, half.Mean, 1e-9);
        const double Variance = GaussianData.Deviation * GaussianData.Deviation;
        Assert.AreEqual(1, all.Variance / Variance, 0.03);
        // What is wrong with the variance is that of x_0 given x_t, which a step leaves out: half of it with steps of half the length.
        Assert.AreEqual(2, (half.Variance - Variance) / (all.Variance - Variance), 0.2);
    }

    [TestMethod]
    public void Sample_VisitThrows_LeavesNoTensor()
    {
        var before = Tensor.TotalCount;
        Assert.ThrowsExactly<OperationCanceledException>(() =>
        {
            using var scope = NewDisposeScope();
            DdimSampler.Sample(
                (x, t) => x * 0.1, NoiseSchedule.Linear(3), All(3), ones(1), eta: 1, t => zeros(1), (t, x) => throw new OperationCanceledException());
        });
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    private static int[] All(int timesteps) => [.. Enumerable.Range(1, timesteps).Reverse()];
}
