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
        var kurtosis = values.Average(v => Math.Pow((v - mean) / Math.Sqrt(variance), 4));
        var beyondTwoSigma = values.Count(v => Math.Abs(v) > 2) / (double)values.Length;
        var correlationOfNeighbours = values.Zip(values.Skip(1), (a, b) => (double)a * b).Average();

        Assert.AreEqual(0, mean, 0.01);
        Assert.AreEqual(1, variance, 0.01);
        Assert.AreEqual(3, kurtosis, 0.05);
        Assert.AreEqual(0.0455, beyondTwoSigma, 0.002);
        Assert.AreEqual(0, correlationOfNeighbours, 0.01);
    }

    [TestMethod]
    public void Fill_ShorterSpan_IsAPrefix()
    {
        var all = new float[11];
        var some = new float[6];

        new RowNoise(1, 2).Fill(all, 3);
        new RowNoise(1, 2).Fill(some, 3);

        Assert.AreSequenceEqual(all[..6], some);
    }

    [TestMethod]
    [DataRow(2ul, 2ul, 3)]
    [DataRow(1ul, 3ul, 3)]
    [DataRow(1ul, 2ul, 4)]
    public void Fill_OtherSeedKeyOrIndex_GivesOtherNoise(ulong seed, ulong noiseKey, int index)
    {
        var one = new float[8];
        var other = new float[8];

        new RowNoise(1, 2).Fill(one, 3);
        new RowNoise(seed, noiseKey).Fill(other, index);

        Assert.IsFalse(one.Zip(other).Any(pair => pair.First == pair.Second));
    }
}
