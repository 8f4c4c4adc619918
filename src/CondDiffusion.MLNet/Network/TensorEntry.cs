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
    public bool IsConvolution => Role is TensorRole.Convolution or TensorRole.ZeroConvolution;

    /// <summary>Describes the weight and the bias of a convolution or a linear layer.</summary>
    public static IEnumerable<TensorEntry> Layer(TensorRole role, string name, long[] weight)
    {
        var fanIn = weight.Skip(1).Aggregate(1L, (product, size) => product * size);
        return
        [
            new($"{name}.weight", weight, role, fanIn),
            new($"{name}.bias", [weight[0]], role, fanIn),
        ];
    }

    /// <summary>Describes the parameters and the statistics of a batch norm.</summary>
    public static IEnumerable<TensorEntry> BatchNorm(
        string name, int channels, TensorRole scale = TensorRole.One) =>
    [
        new($"{name}.weight", [channels], scale),
        new($"{name}.bias", [channels], TensorRole.Zero),
        new($"{name}.running_mean", [channels], TensorRole.ZeroBuffer),
        new($"{name}.running_var", [channels], TensorRole.OneBuffer),
    ];
}
