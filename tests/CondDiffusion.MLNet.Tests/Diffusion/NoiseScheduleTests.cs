using System.Globalization;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Parity;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class NoiseScheduleTests
{
    [TestMethod]
    public void AlphaBar_Linear1000_EqualsTheReference()
    {
        using var golden = new SeedUNet();
        var schedule = NoiseSchedule.Linear(1000);
        foreach (var (key, expected) in golden.Table<double>("alpha_bar_at"))
        {
            var t = int.Parse(key, CultureInfo.InvariantCulture);
            Assert.AreEqual(1, schedule.AlphaBar(t) / expected, 1e-5, $"t = {t}");
        }
        Assert.AreEqual(1, schedule.AlphaBar(0));
        Assert.AreEqual(1 - 0.02, schedule.AlphaBar(1000) / schedule.AlphaBar(999), 1e-12);
    }

    /// <summary>
    /// The values are those of the formula in Python. At T = 10 five variances are at their bound, 0.999.
    /// </summary>
    [TestMethod]
    [DataRow(1, 1e-3)]
    [DataRow(10, 1.437768969547331e-17)]
    [DataRow(50, 7.744765699226731e-06)]
    [DataRow(100, 2.039008975564078e-05)]
    [DataRow(1000, 4.035829765375676e-05)]
    [DataRow(4000, 4.246652275802249e-05)]
    public void Linear_AnyNumberOfTimesteps_EndsInNoise(int timesteps, double expected) =>
        Assert.AreEqual(1, NoiseSchedule.Linear(timesteps).AlphaBar(timesteps) / expected, 1e-9);

    [TestMethod]
    public void Linear_EveryNumberOfTimesteps_EndsBelowAThousandthAndWithinFloat32()
    {
        for (var timesteps = 1; timesteps <= ModelLimits.Timesteps; timesteps += 1 + timesteps / 50)
        {
            var schedule = NoiseSchedule.Linear(timesteps);
            Assert.IsInRange(1e-20, 1.01e-3, schedule.AlphaBar(timesteps), $"T = {timesteps}");
            Assert.IsGreaterThan(0f, (float)schedule.SignalToNoise(timesteps), $"T = {timesteps}");
        }
    }

    [TestMethod]
    public void Linear_Thousand_IsTheSameScaledOrNotToTheBit()
    {
        var scaled = NoiseSchedule.Linear(1000);
        var plain = NoiseSchedule.Linear(1000, scaled: false);
        for (var t = 0; t <= 1000; t++) Assert.AreEqual(plain.AlphaBar(t), scaled.AlphaBar(t), $"t = {t}");
    }

    /// <summary>Model files of formats 1.1 and 1.2 were trained with this.</summary>
    [TestMethod]
    [DataRow(1, 1 - 1e-4)]
    [DataRow(100, 0.3635632480554922)]
    [DataRow(4000, 2.6532323718239917e-18)]
    public void Linear_NotScaled_HasTheSameVariancesForAnyNumberOfTimesteps(int timesteps, double expected)
    {
        var schedule = NoiseSchedule.Linear(timesteps, scaled: false);
        Assert.AreEqual(1, schedule.AlphaBar(timesteps) / expected, 1e-9);
    }

    /// <summary>
    /// A denoiser that knows the data, N(0.4, 0.3^2), generates them from noise: their mean and deviation do not depend
    /// on the number of timesteps.
    /// </summary>
    [TestMethod]
    [DataRow(100, StepSpacing.LogSnr)]
    [DataRow(50, StepSpacing.LogSnr)]
    [DataRow(100, StepSpacing.Focused)]
    [DataRow(50, StepSpacing.Focused)]
    public void Linear_FewTimesteps_GenerateTheDataFromNoise(int timesteps, StepSpacing spacing)
    {
        using var scope = NewDisposeScope();
        var data = new GaussianData(NoiseSchedule.Linear(timesteps));
        var steps = Timesteps.Choose(data.Schedule, spacing, 20);

        // The quantiles of the normal distribution stand for many random numbers.
        var start = tensor(Enumerable.Range(0, 200).Select(i => (i + 0.5) / 200).ToArray(), ScalarType.Float64, CPU);
        start = (2 * start - 1).erfinv() * Math.Sqrt(2);
        var x0 = DpmSolverSampler.Sample(
            (xt, t, step) => data.Image(xt, t, full_like(xt, GaussianData.Mean)), data.Schedule, steps, start);

        Assert.AreEqual(GaussianData.Mean, x0.mean().ToDouble(), 0.01);
        Assert.AreEqual(GaussianData.Deviation, x0.std().ToDouble(), 0.02);
    }

    [TestMethod]
    public void Cosine_Formula_HoldsUpToTheCappedEnd()
    {
        var schedule = NoiseSchedule.Cosine(1000);
        double F(double t) => Math.Pow(Math.Cos((t / 1000 + 0.008) / 1.008 * Math.PI / 2), 2);

        foreach (var t in new[] { 1, 250, 500, 999 })
            Assert.AreEqual(F(t) / F(0), schedule.AlphaBar(t), 1e-12, $"t = {t}");
        Assert.AreEqual(0.001, schedule.AlphaBar(1000) / schedule.AlphaBar(999), 1e-12);
    }
}
