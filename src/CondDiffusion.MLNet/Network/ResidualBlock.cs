using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// A residual block: two 3x3 convolutions, each followed by batch norm, whose output is added to the block's input.
/// Between them the time and label embedding, v, scales and shifts each channel, before a SiLU.
/// </summary>
/// <param name="Convolution1">The first 3x3 convolution.</param>
/// <param name="Norm1">The batch norm after it.</param>
/// <param name="Modulation">The layer from v to the scale and the shift of each channel.</param>
/// <param name="Convolution2">The second 3x3 convolution.</param>
/// <param name="Norm2">The batch norm after it, whose scale starts as zero.</param>
/// <param name="Projection">
/// The 1x1 convolution that gives the input the channels of the output; null where it has them.
/// </param>
internal sealed record ResidualBlock(
    ConvolutionWeights Convolution1,
    BatchNormWeights Norm1,
    LinearWeights Modulation,
    ConvolutionWeights Convolution2,
    BatchNormWeights Norm2,
    ConvolutionWeights? Projection) : IBlock
{
    public static BlockKind Kind { get; } = new(
        Tensors, Take, place => Math.Max(place.Input, place.Outputs));

    public Tensor Forward(BlockInput input, Tensor v, bool training)
    {
        using var scope = NewDisposeScope();
        var x = input.Join();                                                               // B Cin H W
        var modulation = Modulate(Modulation, v).to(x.dtype).unsqueeze(2).unsqueeze(3).chunk(2, 1);

        var y = Norm1.Forward(Convolution1.Forward(x), training);                           // B Cout H W
        y = functional.silu(addcmul(modulation[1], y, modulation[0], Numbers.One));
        y = Norm2.Forward(Convolution2.Forward(y), training);
        return y.Plus(Projection?.Project(x) ?? x).MoveToOuterDisposeScope();
    }

    public IFusedBlock Fuse(PaddedChannels inputs, PaddedChannels outputs, ConvolutionFormat format) =>
        new FusedResidualBlock(this, inputs, outputs, format);

    /// <summary>
    /// Returns what v multiplies and adds to each channel. The factor is between 0 and 2, and starts as 1.
    /// </summary>
    /// <param name="layer">The layer from v to both.</param>
    /// <param name="v">The time and label embedding, (B, D).</param>
    /// <returns>The scale and the shift of each channel, (B, 2 C).</returns>
    public static Tensor Modulate(LinearWeights layer, Tensor v)
    {
        var parts = layer.Forward(v).chunk(2, 1);                                           // each B C
        return cat([parts[0].tanh().add(Numbers.One, Numbers.One), parts[1]], 1);
    }

    private static List<TensorEntry> Tensors(BlockPlace place)
    {
        var name = place.Name;
        List<TensorEntry> tensors =
        [
            .. TensorEntry.Layer(TensorRole.Convolution, $"{name}.conv1", [place.Outputs, place.Input, 3, 3]),
            .. TensorEntry.BatchNorm($"{name}.norm1", place.Outputs),
            .. TensorEntry.Layer(TensorRole.Zero, $"{name}.mod", [2 * place.Outputs, place.EmbeddingSize]),
            .. TensorEntry.Layer(TensorRole.Convolution, $"{name}.conv2", [place.Outputs, place.Outputs, 3, 3]),
            .. TensorEntry.BatchNorm($"{name}.norm2", place.Outputs, scale: TensorRole.Zero),
        ];
        if (place.Input != place.Outputs)
        {
            tensors.AddRange(
                TensorEntry.Layer(TensorRole.Convolution, $"{name}.skip", [place.Outputs, place.Input, 1, 1]));
        }

        return tensors;
    }

    private static ResidualBlock Take(BlockPlace place, Queue<Tensor> tensors) => new(
        ConvolutionWeights.Take(tensors),
        BatchNormWeights.Take(tensors),
        LinearWeights.Take(tensors),
        ConvolutionWeights.Take(tensors),
        BatchNormWeights.Take(tensors),
        place.Input == place.Outputs ? null : ConvolutionWeights.Take(tensors));
}
