using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>Sinusoidal encoding of the timestep (Vaswani et al. 2017, arXiv 1706.03762, section 3.5), sine and cosine interleaved.</summary>
internal static class TimestepEmbedding
{
    /// <summary>v[k] = sin(t / 10000^(k/D)), v[k+1] = cos(t / 10000^(k/D)) for even k; an odd D drops the last cosine.</summary>
    public static Tensor Encode(Tensor t, int size)
    {
        using var scope = NewDisposeScope();
        var k = arange(0, size, 2, ScalarType.Float32, t.device);
        var angles = t.to(ScalarType.Float32).unsqueeze(1) / pow(10000f, k / size);          // B ceil(D/2)
        return stack([angles.sin(), angles.cos()], 2).flatten(1).narrow(1, 0, size)          // B D
            .MoveToOuterDisposeScope();
    }
}
