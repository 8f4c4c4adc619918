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

    /// <summary>
    /// Another implementation of Philox4x32-10 gave these values. With others, equal options would give other models
    /// and other images than before, and a training would resume from a checkpoint as one that it was not.
    /// </summary>
    [TestMethod]
    public void Streams_OfAKnownSeedAndNumber_HaveTheKnownSeeds()
    {
        const long Number = (5L << 32) + 3;
        ulong[] expected =
        [
            0xC009F9DCF4607A2D, 0x2BF6D9AF7EBAED90, 0x6DDBB237345AFF7C, 0x314BB1C9A313A315, 0xB7C185E01B6765A8,
            0xD15C55FC6E5BF2EC, 0x29019B2C82DC645D, 0x096417652637FDE3, 0x437EFE8EC82BA650,
        ];
        ulong[] actual =
        [
            SeedStream.InitialWeights(7),
            SeedStream.HeldOut(7),
            SeedStream.EpochOrder(7, Number),
            SeedStream.StepNoise(7, Number),
            SeedStream.ValidationNoise(7, Number),
            SeedStream.Augmentation(7, 3),
            SeedStream.EpochRows(7, Number),
            SeedStream.GeneratedRowIds(7, Number),
            SeedStream.RowNoise(7, new UInt128(9, Number)),
        ];
        Assert.AreSequenceEqual(expected, actual);
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
