using CondDiffusion.MLNet.Diffusion;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class PhiloxTests
{
    /// <summary>These are the known-answer vectors that the authors publish with their library, Random123.</summary>
    [TestMethod]
    public void Next_PublishedVectors_GivesThePublishedWords()
    {
        Assert.AreEqual((0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u), Philox.Next((0, 0, 0, 0), 0));
        Assert.AreEqual(
            (0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu),
            Philox.Next((uint.MaxValue, uint.MaxValue, uint.MaxValue, uint.MaxValue), ulong.MaxValue));
        Assert.AreEqual(
            (0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u),
            Philox.Next((0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344), 0x299f31d0a4093822));
    }

    [TestMethod]
    public void Derive_NeighbouringStreams_DoNotCollide()
    {
        var seeds = Enumerable.Range(0, 100_000).Select(i => Philox.Derive(7, (UInt128)i)).ToHashSet();
        Assert.HasCount(100_000, seeds);
    }
}
