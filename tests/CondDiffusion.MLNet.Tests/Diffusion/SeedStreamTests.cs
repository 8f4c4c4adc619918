using CondDiffusion.MLNet.Diffusion;

namespace CondDiffusion.MLNet.Tests.Diffusion;

/// <summary>No two streams of random numbers under one seed may be the same.</summary>
[TestClass]
public sealed class SeedStreamTests
{
    [TestMethod]
    public void Derive_StreamsThatDifferInAnyBit_HaveDifferentSeeds()
    {
        UInt128[] streams = [0, .. Enumerable.Range(0, 128).Select(bit => UInt128.One << bit)];
        Assert.HasCount(129, streams.Select(stream => Philox.Derive(7, stream)).ToHashSet());
    }

    [TestMethod]
    public void Streams_OfEqualNumbers_HaveDifferentSeeds()
    {
        foreach (var number in new[] { 0, 1, 2, 1000 })
        {
            ulong[] seeds =
            [
                SeedStream.InitialWeights(7),
                SeedStream.HeldOut(7),
                SeedStream.EpochOrder(7, number),
                SeedStream.StepNoise(7, number),
                SeedStream.ValidationNoise(7, number),
            ];
            Assert.HasCount(seeds.Length, seeds.ToHashSet(), $"number {number}");
        }
    }

    [TestMethod]
    public void Streams_OfOtherNumbersOrSeeds_HaveDifferentSeeds()
    {
        var streams = new Func<ulong, long, ulong>[]
        {
            SeedStream.EpochOrder,
            SeedStream.StepNoise,
            SeedStream.ValidationNoise,
            (seed, number) => SeedStream.RowNoise(seed, (UInt128)number),
        };
        foreach (var stream in streams)
        {
            var seeds = Enumerable.Range(0, 100).SelectMany(i => new[] { stream(7, i), stream(8, i) });
            Assert.HasCount(200, seeds.ToHashSet());
        }
    }
}
