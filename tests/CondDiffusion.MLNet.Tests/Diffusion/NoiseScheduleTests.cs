using System.Globalization;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Tests.Parity;

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

    [TestMethod]
    public void Linear_OneTimestep_IsTheFirstVariance() =>
        Assert.AreEqual(1 - 1e-4, NoiseSchedule.Linear(1).AlphaBar(1), 1e-12);

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
