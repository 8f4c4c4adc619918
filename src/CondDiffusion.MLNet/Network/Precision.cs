namespace CondDiffusion.MLNet;

/// <summary>The number format of the convolutions and the activations between them. Weights, statistics and losses are always float32.</summary>
public enum Precision
{
    /// <summary>
    /// <see cref="BFloat16"/> where the device computes in it (a CPU with AVX512-BF16 or AMX-BF16, an NVIDIA GPU of compute capability 8.0
    /// or more), else <see cref="Float32"/>. It is decided by the device alone, so always alike.
    /// </summary>
    Auto,

    /// <summary>32 bits: the reference.</summary>
    Float32,

    /// <summary>bfloat16: the exponent of float32 with 8 bits of precision; about twice as fast, with the same losses.</summary>
    BFloat16,
}
