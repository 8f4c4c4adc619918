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
        using var noGrad = no_grad();
        using var golden = new SeedUNet();
        using var network = SeedUNet.CreateNetwork();
        var schedule = NoiseSchedule.Linear(1000);
        var start = (1.4 * SeedUNet.Wave(404, 1, 1, 32, 32)).expand(2, 1, 32, 32);
        var expected = golden.Table<float[]>("reverse_loop_every_31st").ToDictionary(
            pair => int.Parse(pair.Key, CultureInfo.InvariantCulture), pair => pair.Value);

        Tensor Denoiser(Tensor xt, int t, int step)
        {
            var eps = network.Forward(xt, full([2], t, ScalarType.Int64), SeedUNet.Labels);
            return PredictionTarget.Noise.Image(eps, xt, schedule.Alpha(t), schedule.Sigma(t));
        }

        var seen = 0;
        void CompareSnapshot(int t, Tensor xt)
        {
            if (!expected.TryGetValue(t, out var values)) return;
            TensorAssert.AreClose(values, xt, 2e-4 * values.Max(Math.Abs), stride: 31);
            seen++;
        }

        static Tensor Noise(int t) => 1.4 * SeedUNet.Wave(500 + t, 2, 1, 32, 32);
        var x0 = DdimSampler.Sample(Denoiser, schedule, All(1000), start, eta: 1, Noise, CompareSnapshot);

        Assert.AreEqual(expected.Count, seen);
        var final = golden["reverse_final"];
        TensorAssert.AreClose(final, x0, 2e-4 * final.Max(Math.Abs));
    }

    /// <summary>
    /// The step of Ho et al., equation 11 with 7, in the chain that remains of the schedule when it has these steps
    /// only.
    /// </summary>
    [TestMethod]
    [DataRow(new[] { 50, 49, 48, 47 })]
    [DataRow(new[] { 50, 31, 30, 4 })]
    public void Sample_EtaOne_EqualsTheAncestralStep(int[] timesteps)
    {
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Cosine(50);
        var start = Wave(0);

        var expected = start;
        foreach (var (t, s) in timesteps.Zip([.. timesteps.Skip(1), 0]))
        {
            var alphaBarT = schedule.AlphaBar(t);
            var alphaBarS = schedule.AlphaBar(s);
            var alpha = alphaBarT / alphaBarS; // Ho's alpha, 1 - beta
            expected = (expected - (1 - alpha) / Math.Sqrt(1 - alphaBarT) * Eps(expected, t)) / Math.Sqrt(alpha);
            if (s > 0) expected += Math.Sqrt((1 - alpha) * (1 - alphaBarS) / (1 - alphaBarT)) * Wave(t);
        }

        Tensor Denoiser(Tensor xt, int t, int step) => (xt - schedule.Sigma(t) * Eps(xt, t)) / schedule.Alpha(t);
        var x0 = DdimSampler.Sample(Denoiser, schedule, timesteps, start, eta: 1, Wave);
        TensorAssert.AreClose(expected, x0, 1e-12);

        static Tensor Eps(Tensor xt, int t) => (xt + t).sin();

        static Tensor Wave(int t) => (arange(6, ScalarType.Float64) + t).cos();
    }

    /// <summary>The step of Song et al. 2021 (arXiv 2010.02502), equation 12 with the sigma of equation 16.</summary>
    [TestMethod]
    [DataRow(0.25)]
    [DataRow(0.5)]
    public void Sample_EtaBetweenNoneAndAll_AddsTheNoiseOfThePaper(double eta)
    {
        const double Start = 1.5;
        const double Image = 0.3;
        const double Noise = -0.8;
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Linear(1000);

        var x = double.NaN;
        DdimSampler.Sample(
            (xt, t, step) => full_like(xt, Image),
            schedule,
            [900, 400],
            tensor([Start], ScalarType.Float64, CPU),
            eta,
            t => tensor([Noise], ScalarType.Float64, CPU),
            (t, xt) =>
            {
                if (t == 400) x = xt.ToDouble();
            });

        var alphaBarT = schedule.AlphaBar(900);
        var alphaBarS = schedule.AlphaBar(400);
        var sigma = eta * Math.Sqrt((1 - alphaBarS) / (1 - alphaBarT)) * Math.Sqrt(1 - alphaBarT / alphaBarS);
        var eps = (Start - Math.Sqrt(alphaBarT) * Image) / Math.Sqrt(1 - alphaBarT);
        var expected = Math.Sqrt(alphaBarS) * Image + Math.Sqrt(1 - alphaBarS - sigma * sigma) * eps + sigma * Noise;
        Assert.AreEqual(expected, x, 1e-12);
    }

    [TestMethod]
    public void Sample_EtaZero_AsksForNoNoise()
    {
        using var scope = NewDisposeScope();
        DdimSampler.Sample((xt, t, step) => xt * 0.1, NoiseSchedule.Linear(3), All(3), ones(1), eta: 0, NoNoise);
    }

    [TestMethod]
    public void Sample_EtaZero_ConvergesWithTheStepsToTheFirstOrder()
    {
        double Error(int steps) => GaussianData.Error(steps, (denoiser, schedule, timesteps, start, visit) =>
            DdimSampler.Sample(denoiser, schedule, timesteps, start, eta: 0, NoNoise, visit));
        GaussianData.IsOfOrder(1, [.. new[] { 40, 80, 160, 320 }.Select(Error)]);
    }

    /// <summary>
    /// Each step is linear in x and z for Gaussian data, so that one run gives the mean and variance of all images. One
    /// row holds the mean, one the contribution of x_T, and one for each step the contribution of its noise.
    /// </summary>
    [TestMethod]
    public void Sample_EtaOne_GivesTheMeanAndVarianceOfGaussianData()
    {
        using var scope = NewDisposeScope();
        var data = new GaussianData(NoiseSchedule.Linear(1000));

        (double Mean, double Variance) Run(int steps)
        {
            var timesteps = Timesteps.Choose(data.Schedule, StepSpacing.Uniform, steps);
            var means = zeros(steps + 2, ScalarType.Float64);
            means[0] = GaussianData.Mean;
            var start = zeros_like(means);
            start[0] = data.MeanAt(1000);
            start[1] = data.DeviationAt(1000);

            Tensor Noise(int t)
            {
                var noise = zeros_like(means);
                noise[2 + Array.IndexOf(timesteps, t)] = 1;
                return noise;
            }

            var x0 = DdimSampler.Sample(
                (xt, t, step) => data.Image(xt, t, means), data.Schedule, timesteps, start, eta: 1, Noise);
            return (x0[0].ToDouble(), x0[1..].square().sum().ToDouble());
        }

        var all = Run(1000);
        var half = Run(500);

        const double Variance = GaussianData.Deviation * GaussianData.Deviation;
        Assert.AreEqual(GaussianData.Mean, all.Mean, 1e-9);
        Assert.AreEqual(GaussianData.Mean, half.Mean, 1e-9);
        Assert.AreEqual(1, all.Variance / Variance, 0.03);

        // The error of the variance is the variance of x_0 given x_t, which a step leaves out. It halves with steps of
        // half the length.
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
                (xt, t, step) => xt * 0.1, NoiseSchedule.Linear(3), All(3), ones(1), eta: 1, t => zeros(1),
                (t, xt) => throw new OperationCanceledException());
        });
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    private static int[] All(int timesteps) => [.. Enumerable.Range(1, timesteps).Reverse()];

    private static Tensor NoNoise(int t) => throw new InvalidOperationException();
}
