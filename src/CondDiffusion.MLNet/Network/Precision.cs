namespace CondDiffusion.MLNet;

/// <summary>
/// Precision of the convolutions and of the activations between them. Weights, batch-norm statistics and losses are
/// always float32.
/// </summary>
public enum Precision
{
    /// <summary>
    /// <see cref="BFloat16"/> where the device computes in it, and <see cref="Float32"/> elsewhere. CPUs with AVX512-BF16
    /// or AMX-BF16 do, if the operating system and libtorch's kernels use these, and NVIDIA GPUs of compute capability
    /// 8.0 or higher (untested on GPUs). The choice depends only on the device, so it is always the same on one machine.
    /// </summary>
    Auto,

    /// <summary>
    /// 32 bits, the reference. On an NVIDIA GPU, TF32 is switched off while the network computes (untested on GPUs).
    /// </summary>
    Float32,

    /// <summary>
    /// bfloat16, which has the exponent of float32 and 8 bits of precision: about twice as fast where the device
    /// computes in it, with the same losses. Elsewhere it works too, but is slower than float32.
    /// </summary>
    BFloat16,
}
