using CondDiffusion.MLNet.Benchmarks.Augmentation;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class MeanIntervalTests
{
    /// <summary>The quantiles are those of printed tables.</summary>
    [TestMethod]
    [DataRow(1, 12.706)]
    [DataRow(2, 4.303)]
    [DataRow(3, 3.182)]
    [DataRow(4, 2.776)]
    [DataRow(5, 2.571)]
    [DataRow(10, 2.228)]
    [DataRow(29, 2.045)]
    [DataRow(120, 1.980)]
    public void Of_ValuesWithAStandardErrorOfOne_HasTheQuantileOfStudent(int freedom, double quantile)
    {
        var n = freedom + 1;
        var distance = Math.Sqrt(n * (n - 1) / 2.0);
        double[] values = [10 + distance, 10 - distance, .. Enumerable.Repeat(10.0, n - 2)];
        var interval = MeanInterval.Of(values);
        Assert.AreEqual(10, interval.Mean, 1e-12);
        Assert.AreEqual(quantile, interval.HalfWidth!.Value, 5e-4);
    }

    /// <summary>By hand: the variance of 1 to 5 is 10 / 4, and 2.776 sqrt(2.5 / 5) is 1.963.</summary>
    [TestMethod]
    [DataRow(0, true)]
    [DataRow(-1.1, false, DisplayName = "1.9 is within 1.963 of 0")]
    [DataRow(-1, true, DisplayName = "2 is not")]
    [DataRow(-5, true, DisplayName = "nor is -2")]
    public void ExcludesZero_FiveDifferences_ComparesTheMeanWithTheInterval(double shift, bool excludesZero)
    {
        var interval = MeanInterval.Of([.. Enumerable.Range(1, 5).Select(i => i + shift)]);
        Assert.AreEqual(3 + shift, interval.Mean, 1e-12);
        Assert.AreEqual(1.963, interval.HalfWidth!.Value, 5e-4);
        Assert.AreEqual(excludesZero, interval.ExcludesZero);
    }

    [TestMethod]
    public void Of_OneValue_HasNoInterval()
    {
        Assert.AreEqual(new MeanInterval(3, null), MeanInterval.Of([3]));
        Assert.IsFalse(MeanInterval.Of([3]).ExcludesZero);
    }
}
