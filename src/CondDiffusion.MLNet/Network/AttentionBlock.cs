using CondDiffusion.MLNet.Diffusion;
using TorchSharp;
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

    /// <summary>
    /// The most pixels whose attention is computed for a gradient as two products and the weights between them. Those
    /// take 32 MB in bfloat16 for 64 images.
    /// </summary>
    private const long MostWeighedPixels = 256;

    public static BlockKind Kind { get; } = new(Tensors, Take, place => 3 * place.Outputs);

    public Tensor Forward(BlockInput input, Tensor v, bool training)
    {
        using var scope = NewDisposeScope();
        var x = input.Join();
        var projections = Projections.Project(Normalize(Norm, x));                          // B 3C H W
        var y = projections.requires_grad ? AttendForGradient(projections) : Attend(projections);   // B C H W
        return x.Plus(Output.Project(y)).MoveToOuterDisposeScope();
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
        var parts = SplitHeads(projections);
        return JoinHeads(functional.scaled_dot_product_attention(parts[0], parts[1], parts[2]), projections);
    }

    /// <summary>
    /// Computes the same. On a CPU, libtorch's own operator takes four times as long with its gradient, because it
    /// multiplies the matrices of each head of each image by themselves.
    /// </summary>
    private static Tensor AttendForGradient(Tensor projections)
    {
        var isLarge = projections.shape[2] * projections.shape[3] > MostWeighedPixels;
        if (isLarge || projections.device.type != DeviceType.CPU) return Attend(projections);

        var parts = SplitHeads(projections);
        using Scalar scale = 1 / Math.Sqrt(parts[0].shape[^1]);
        var weights = parts[0].mul(scale).matmul(parts[1].transpose(2, 3)).softmax(3);      // B heads N N
        return JoinHeads(weights.matmul(parts[2]), projections);
    }

    /// <summary>Returns the queries, the keys and the values, each (B, heads, N, size), of N pixels.</summary>
    private static Tensor[] SplitHeads(Tensor projections) => projections.permute(0, 2, 3, 1)
        .reshape(projections.shape[0], projections.shape[2] * projections.shape[3], 3, Heads, -1)
        .permute(2, 0, 3, 1, 4)                                                             // 3 B heads N size
        .unbind();

    /// <summary>Returns the attended values of all heads, (B, heads, N, size), as (B, C, H, W).</summary>
    private static Tensor JoinHeads(Tensor y, Tensor projections) => y.transpose(1, 2)
        .reshape(projections.shape[0], projections.shape[2], projections.shape[3], -1)
        .permute(0, 3, 1, 2);

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
