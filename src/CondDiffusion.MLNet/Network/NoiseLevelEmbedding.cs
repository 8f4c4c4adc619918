using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// An encoding of the noise level that changes slowly with it: sines and cosines of half the logarithm of the
/// signal-to-noise ratio, whose frequencies are a geometric sequence (Tancik et al. 2020, arXiv 2006.10739, section 5).
/// </summary>
internal static class NoiseLevelEmbedding
{
    // In radians for each unit of the logarithm. Over the noise levels of a schedule, of about 10 units, the lowest
    // one makes half a turn. The highest one tells levels apart between which the image hardly changes.
    private const double Lowest = 0.25;
    private const double Highest = 8;

    /// <summary>Returns the encodings of noise levels.</summary>
    /// <param name="halfLogSnr">log(alpha_t / sigma_t) of each image, (B).</param>
    /// <param name="size">Size of the encoding, D. An odd D drops the last cosine.</param>
    /// <returns>The encodings, float32 (B, D).</returns>
    public static Tensor Encode(Tensor halfLogSnr, int size)
    {
        using var scope = NewDisposeScope();
        var count = (size + 1) / 2;
        var exponents = linspace(Math.Log(Lowest), Math.Log(Highest), count, ScalarType.Float32, halfLogSnr.device);
        var angles = halfLogSnr.to(ScalarType.Float32).unsqueeze(1) * exponents.exp();      // B ceil(D/2)
        return cat([angles.sin(), angles.cos()], 1).narrow(1, 0, size).MoveToOuterDisposeScope();   // B D
    }

    /// <summary>Returns the encoding of one noise level without libtorch.</summary>
    /// <param name="halfLogSnr">log(alpha_t / sigma_t).</param>
    /// <param name="size">Size of the encoding, D.</param>
    public static float[] Encode(float halfLogSnr, int size)
    {
        var count = (size + 1) / 2;
        var encoding = new float[size];
        for (var k = 0; k < size; k++)
        {
            var fraction = k % count / (double)Math.Max(count - 1, 1);
            var angle = halfLogSnr * Lowest * Math.Pow(Highest / Lowest, fraction);
            encoding[k] = (float)(k < count ? Math.Sin(angle) : Math.Cos(angle));
        }

        return encoding;
    }
}
