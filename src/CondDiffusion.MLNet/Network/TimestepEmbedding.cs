using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// The sinusoidal encoding of the timestep (Vaswani et al. 2017, arXiv 1706.03762, section 3.5), with sines and cosines
/// interleaved.
/// </summary>
internal static class TimestepEmbedding
{
    /// <summary>
    /// Returns v[k] = sin(t / 10000^(k/D)) and v[k+1] = cos(t / 10000^(k/D)) for even k. An odd D drops the last
    /// cosine.
    /// </summary>
    /// <param name="t">Timesteps, (B).</param>
    /// <param name="size">Size of the encoding, D.</param>
    /// <returns>The encodings, float32 (B, D).</returns>
    public static Tensor Encode(Tensor t, int size)
    {
        using var scope = NewDisposeScope();
        var k = arange(0, size, 2, ScalarType.Float32, t.device);                           // ceil(D/2)
        var periods = tensor(10000f, ScalarType.Float32, t.device).pow(k.Over(size));       // ceil(D/2)
        var angles = t.to(ScalarType.Float32).unsqueeze(1) / periods;                       // B ceil(D/2)
        var pairs = stack([angles.sin(), angles.cos()], 2);                                 // B ceil(D/2) 2
        return pairs.flatten(1).narrow(1, 0, size).MoveToOuterDisposeScope();               // B D
    }

    /// <summary>Returns the encoding of one timestep without libtorch, rounded to float32 at the same places.</summary>
    /// <param name="t">The timestep.</param>
    /// <param name="size">Size of the encoding, D.</param>
    public static float[] Encode(float t, int size)
    {
        var encoding = new float[size];
        for (var k = 0; k < size; k++)
        {
            var period = (float)Math.Pow(10000, (float)(k - k % 2) / size);
            double angle = t / period;
            encoding[k] = (float)(k % 2 == 0 ? Math.Sin(angle) : Math.Cos(angle));
        }

        return encoding;
    }
}
