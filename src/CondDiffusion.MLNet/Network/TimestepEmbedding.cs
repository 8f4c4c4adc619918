using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>Sinusoidal encoding of the timestep (Vaswani et al. 2017, arXiv 1706.03762, section 3.5), sine and cosine interleaved.</summary>
internal static class TimestepEmbedding
{
    /// <summary>v[k] = sin(t / 10000^(k/D)), v[k+1] = cos(t / 10000^(k/D)) for even k; an odd D drops the last cosine.</summary>
    public static Tensor Encode(Tensor t, int size)
    {
        using var scope = NewDisposeScope();
        // float64: at t = 1000 a float32 angle is off by 3e-5 already.
        var k = arange(0, size, 2, ScalarType.Float64, t.device);
        var angles = t.to(ScalarType.Float64).unsqueeze(1) / pow(10000, k / size);           // B ceil(D/2)
        return stack([angles.sin(), angles.cos()], 2).flatten(1).narrow(1, 0, size)          // B D
            .to(ScalarType.Float32).MoveToOuterDisposeScope();
    }
}
