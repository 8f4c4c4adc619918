using CondDiffusion.MLNet.Diffusion;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class RowNoiseTests
{
    [TestMethod]
    public void Fill_ManyValues_AreStandardNormal()
    {
        var values = new float[1 << 18];
        new RowNoise(1, 2).Fill(values, 3);
        var mean = values.Average(v => (double)v);
        var variance = values.Average(v => (v - mean) * (v - mean));
        Assert.AreEqual(0, mean, 0.01);
        Assert.AreEqual(1, variance, 0.01);
        Assert.AreEqual(3, values.Average(v => Math.Pow((v - mean) / Math.Sqrt(variance), 4)), 0.05, "kurtosis");
        Assert.AreEqual(0.0455, values.Count(v => Math.Abs(v) > 2) / (double)values.Length, 0.002, "beyond two sigma");
        Assert.AreEqual(0, values.Zip(values.Skip(1), (a, b) => (double)a * b).Average(), 0.01, "correlation of neighbours");
    }

    [TestMethod]
    public void Fill_ShorterSpan_IsAPrefix()
    {
        float[] all = new float[11], some = new float[6];
        new RowNoise(1, 2).Fill(all, 3);
        new RowNoise(1, 2).Fill(some, 3);
        Assert.AreSequenceEqual(all[..6], some);
    }

    [TestMethod]
    [DataRow(2ul, 2ul, 3)]
    [DataRow(1ul, 3ul, 3)]
    [DataRow(1ul, 2ul, 4)]
    public void Fill_OtherSeedRowOrStep_GivesOtherNoise(ulong seed, ulong row, int step)
    {
        float[] one = new float[8], other = new float[8];
        new RowNoise(1, 2).Fill(one, 3);
        new RowNoise(seed, row).Fill(other, step);
        Assert.IsFalse(one.Zip(other).Any(pair => pair.First == pair.Second));
    }
}
