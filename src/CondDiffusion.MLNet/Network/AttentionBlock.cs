using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// Multi-head self-attention between the pixels (Vaswani et al. 2017, arXiv 1706.03762, section 3.2.2), after a layer
/// norm. Its output is added to the block's input.
/// </summary>
/// <param name="Norm">Scale and offset of the layer norm.</param>
/// <param name="Projections">The 1x1 convolution to queries, keys and values.</param>
/// <param name="Output">The 1x1 convolution of the attended values, which starts as zero.</param>
internal sealed record AttentionBlock(LinearWeights Norm, ConvolutionWeights Projections, ConvolutionWeights Output)
    : IBlock
{
    /// <summary>
    /// The number of heads. With more than one, libtorch computes each head in one thread, and an image alone gets the
    /// same bits as in a batch.
    /// </summary>
    public const int Heads = 4;

    public static BlockKind Kind { get; } = new(Tensors, Take, place => 3 * place.Outputs);

    public Tensor Forward(BlockInput input, Tensor v, bool training)
    {
        using var scope = NewDisposeScope();
        var x = input.Join();
        var y = Attend(Projections.Project(Normalize(Norm, x)));                            // B C H W
        return (x + Output.Project(y)).MoveToOuterDisposeScope();
    }

    public IFusedBlock Fuse(PaddedChannels inputs, PaddedChannels outputs, ConvolutionFormat format) =>
        new FusedAttentionBlock(this, inputs, format);

    /// <summary>Applies a layer norm to the channels of each pixel.</summary>
    /// <param name="norm">Scale and offset, (C).</param>
    /// <param name="x">(B, C, H, W), in channels-last layout.</param>
    /// <returns>(B, C, H, W), in channels-last layout.</returns>
    public static Tensor Normalize(LinearWeights norm, Tensor x)
    {
        var rows = x.permute(0, 2, 3, 1);                                                   // B H W C
        return functional.layer_norm(rows, [x.shape[1]], norm.Weight.to(x.dtype), norm.Bias.to(x.dtype))
            .permute(0, 3, 1, 2);
    }

    /// <summary>Computes the attention of each head.</summary>
    /// <param name="projections">The queries, the keys and the values of all heads, (B, 3 C, H, W).</param>
    /// <returns>(B, C, H, W), in channels-last layout.</returns>
    public static Tensor Attend(Tensor projections)
    {
        var batch = projections.shape[0];
        var height = projections.shape[2];
        var width = projections.shape[3];
        var parts = projections.permute(0, 2, 3, 1)
            .reshape(batch, height * width, 3, Heads, -1)
            .permute(2, 0, 3, 1, 4)                                                         // 3 B heads N size
            .unbind();
        var y = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2]);      // B heads N size
        return y.transpose(1, 2).reshape(batch, height, width, -1).permute(0, 3, 1, 2);
    }

    private static IEnumerable<TensorEntry> Tensors(BlockPlace place)
    {
        var name = place.Name;
        var channels = place.Outputs;
        return
        [
            new($"{name}.norm.weight", [channels], TensorRole.One),
            new($"{name}.norm.bias", [channels], TensorRole.Zero),
            .. TensorEntry.Layer(TensorRole.Convolution, $"{name}.qkv", [3 * channels, channels, 1, 1]),
            .. TensorEntry.Layer(TensorRole.ZeroConvolution, $"{name}.out", [channels, channels, 1, 1]),
        ];
    }

    private static AttentionBlock Take(BlockPlace place, Queue<Tensor> tensors) =>
        new(LinearWeights.Take(tensors), ConvolutionWeights.Take(tensors), ConvolutionWeights.Take(tensors));
}
