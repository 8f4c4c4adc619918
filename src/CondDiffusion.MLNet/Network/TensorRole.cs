namespace CondDiffusion.MLNet.Network;

/// <summary>What a tensor is for, which decides its initial values.</summary>
internal enum TensorRole
{
    /// <summary>Weight or bias of a convolution: uniform on ±1/sqrt(fan in), PyTorch's default.</summary>
    Convolution,

    /// <summary>Weight or bias of a linear layer: uniform on ±1/sqrt(fan in), PyTorch's default.</summary>
    Linear,

    /// <summary>Weight or bias of a layer that computes in the data type of the activations: zero.</summary>
    ZeroConvolution,

    /// <summary>Embedding table: standard normal.</summary>
    Embedding,

    /// <summary>Parameter that starts as one.</summary>
    One,

    /// <summary>Parameter that starts as zero.</summary>
    Zero,

    /// <summary>Buffer that starts as one.</summary>
    OneBuffer,

    /// <summary>Buffer that starts as zero.</summary>
    ZeroBuffer,
}
