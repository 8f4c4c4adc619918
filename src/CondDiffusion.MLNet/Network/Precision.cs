namespace CondDiffusion.MLNet;

/// <summary>
/// The precision of the convolutions and of the activations between them. Weights, statistics and losses are always
/// float32.
/// </summary>
public enum Precision
{
    /// <summary>
    /// <see cref="BFloat16"/> where the device computes in it (a CPU with AVX512-BF16 or AMX-BF16, an NVIDIA GPU of
    /// compute capability 8.0 or more), otherwise <see cref="Float32"/>. The device alone decides, so the choice is the
    /// same in every run on it.
    /// </summary>
    Auto,

    /// <summary>32 bits: the reference.</summary>
    Float32,

    /// <summary>
    /// bfloat16: the exponent of float32 with 8 bits of precision; about twice as fast, with the same losses.
    /// </summary>
    BFloat16,
}
