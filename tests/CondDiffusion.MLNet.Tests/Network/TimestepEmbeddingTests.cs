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

    /// <summary>A frequency that differs in its last bit turns a large timestep by a ten-thousandth.</summary>
    [TestMethod]
    public void Encode_WithoutLibtorch_GivesTheSameNumbers()
    {
        using var scope = NewDisposeScope();
        foreach (var size in new[] { 1, 2, 7, 100 })
        {
            foreach (var t in new[] { 1, 2, 500, 1000 })
            {
                TensorAssert.AreClose(
                    TimestepEmbedding.Encode((float)t, size), TimestepEmbedding.Encode(tensor([(long)t]), size), 2e-4);
            }
        }
    }
}
