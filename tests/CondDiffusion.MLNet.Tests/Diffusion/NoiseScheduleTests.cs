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
        foreach (var (t, expected) in golden.Table<double>("alpha_bar_at"))
            Assert.AreEqual(1, schedule.AlphaBar(int.Parse(t, CultureInfo.InvariantCulture)) / expected, 1e-5, $"t = {t}");
        Assert.AreEqual(1, schedule.AlphaBar(0));
        Assert.AreEqual(1 - 0.02, schedule.Alpha(1000), 1e-12);
    }

    [TestMethod]
    public void Linear_OneTimestep_IsTheFirstVariance() => Assert.AreEqual(1 - 1e-4, NoiseSchedule.Linear(1).AlphaBar(1), 1e-12);
}
