using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Parity;
using CondDiffusion.MLNet.Tests.Support;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Network;

[TestClass]
public sealed class TimestepEmbeddingTests
{
    [TestMethod]
    public void Encode_T500_EqualsTheReference()
    {
        using var scope = NewDisposeScope();
        using var golden = new SeedUNet();
        TensorAssert.AreClose(golden["pos_encoding_t500"], TimestepEmbedding.Encode(tensor([500L]), 100), 1e-6);
    }

    [TestMethod]
    public void Encode_OddSize_DropsTheLastCosine()
    {
        using var scope = NewDisposeScope();
        float[] expected = [MathF.Sin(2), MathF.Cos(2), MathF.Sin(2 / MathF.Pow(10000, 2 / 3f))];
        TensorAssert.AreClose(expected, TimestepEmbedding.Encode(tensor([2L]), 3), 1e-6);
    }
}
