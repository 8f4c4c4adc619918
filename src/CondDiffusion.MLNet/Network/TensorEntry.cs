namespace CondDiffusion.MLNet.Network;

/// <summary>Describes one named tensor of a network.</summary>
/// <param name="Name">The name of the tensor in PyTorch's state_dict.</param>
/// <param name="Shape">The size of each dimension.</param>
/// <param name="Role">What the tensor is for.</param>
/// <param name="FanIn">The number of inputs to each output of the tensor's layer; 0 where that decides nothing.</param>
internal sealed record TensorEntry(string Name, long[] Shape, TensorRole Role, long FanIn = 0)
{
    /// <summary>The number of values.</summary>
    public long Length { get; } = Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>Whether the tensor is a statistic, which training updates without a gradient.</summary>
    public bool IsBuffer => Role is TensorRole.ZeroBuffer or TensorRole.OneBuffer;

    /// <summary>
    /// Whether the tensor belongs to a convolution, which computes in the data type of the activations.
    /// </summary>
    public bool IsConvolution => Role is TensorRole.Convolution;
}
