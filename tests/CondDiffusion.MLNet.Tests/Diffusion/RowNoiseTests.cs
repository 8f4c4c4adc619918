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

    /// <summary>Another implementation of Philox4x32-10 and of Box and Muller's method gave these values.</summary>
    [TestMethod]
    public void Fill_KnownSeedKeyAndIndex_GivesTheKnownBits()
    {
        float[] low = [-1.40801132f, -0.562930703f, -0.749955595f, 0.844863534f, -0.417429268f, 0.398132116f];
        float[] high = [-0.359740794f, -0.272046685f, -0.177848786f, 2.2083478f, -0.0818617567f, 0.264727831f];
        var actual = new float[6];

        new RowNoise(1, 2).Fill(actual, 3);
        Assert.AreSequenceEqual(low, actual);

        new RowNoise(1, new UInt128(5, 2)).Fill(actual, 0);
        Assert.AreSequenceEqual(high, actual);
    }

    [TestMethod]
    public void Create_ManyRows_GivesTheBitsOfEachRowAlone()
    {
        RowNoise[] rows = [.. Enumerable.Range(0, 33).Select(i => new RowNoise(7, (ulong)i * 3))];
        var all = RowNoise.Create(rows, 50, 4);
        Assert.HasCount(33 * 50, all);
        for (var i = 0; i < rows.Length; i++)
        {
            var one = new float[50];
            rows[i].Fill(one, 4);
            Assert.AreSequenceEqual(one, all[(i * 50)..(i * 50 + 50)], $"row {i}");
        }
    }
}
