namespace CondDiffusion.MLNet;

/// <summary>
/// Precision of the convolutions and of the activations between them. Weights, batch-norm statistics and losses are
/// always float32.
/// </summary>
public enum Precision
{
    /// <summary>
    /// <see cref="BFloat16"/> where the device computes in it (a CPU with AVX512-BF16 or AMX-BF16, or an NVIDIA GPU of
    /// compute capability 8.0 or higher), and <see cref="Float32"/> elsewhere. The choice depends only on the device,
    /// so it is always the same on one machine.
    /// </summary>
    Auto,

    /// <summary>32 bits, the reference.</summary>
    Float32,

    /// <summary>
    /// bfloat16, which has the exponent of float32 and 8 bits of precision: about twice as fast, with the same losses.
    /// </summary>
    BFloat16,
}
