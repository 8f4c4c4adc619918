namespace CondDiffusion.MLNet.Network;

/// <summary>One named tensor of a network: its shape, and how it starts.</summary>
internal sealed record TensorEntry(string Name, long[] Shape, TensorRole Role, long FanIn = 0)
{
    public long Length { get; } = Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>Buffers are statistics that training updates without a gradient.</summary>
    public bool IsBuffer => Role is TensorRole.ZeroBuffer or TensorRole.OneBuffer;
}

/// <summary>What a tensor is for, which decides its initial values.</summary>
internal enum TensorRole
{
    /// <summary>Convolution or linear, weight or bias: uniform on ±1/sqrt(fan in), PyTorch's default.</summary>
    Weight,

    /// <summary>Standard normal.</summary>
    Embedding,

    One,
    Zero,
    OneBuffer,
    ZeroBuffer,
}
