using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// A block of the published method's network: two 3x3 convolutions, each followed by batch norm and ReLU. The time and
/// label embedding, v, is added to the block's input.
/// </summary>
/// <param name="Convolution1">The first 3x3 convolution: <c>convs.0</c> in PyTorch's state_dict.</param>
/// <param name="Norm1">The batch norm after it: <c>convs.1</c>.</param>
/// <param name="Convolution2">The second 3x3 convolution: <c>convs.3</c>.</param>
/// <param name="Norm2">The batch norm after it: <c>convs.4</c>.</param>
/// <param name="Embedding">
/// The layers from the time and label embedding to the block's input channels: <c>mlp.0</c> and <c>mlp.2</c>.
/// </param>
internal sealed record PlainBlock(
    ConvolutionWeights Convolution1,
    BatchNormWeights Norm1,
    ConvolutionWeights Convolution2,
    BatchNormWeights Norm2,
    MlpWeights Embedding) : IBlock
{
    public static BlockKind Kind { get; } = new(
        Tensors, Take, place => Math.Max(place.Input, place.Outputs));

    public Tensor Forward(BlockInput input, Tensor v, bool training)
    {
        using var scope = NewDisposeScope();

        Tensor[] outputs = [.. AddTo(input, Embed(v)).Select(Convolution1.Forward)];
        var x = outputs is [var only] ? only : cat(outputs);                                // B Cout H W
        x = Norm1.Forward(x, training).relu_();
        x = Norm2.Forward(Convolution2.Forward(x), training).relu_();
        return x.MoveToOuterDisposeScope();
    }

    public IFusedBlock Fuse(PaddedChannels inputs, PaddedChannels outputs, ConvolutionFormat format) =>
        new FusedPlainBlock(this, inputs, outputs, format);

    private static IEnumerable<TensorEntry> Tensors(BlockPlace place) =>
    [
        .. TensorEntry.Layer(
            TensorRole.Convolution, $"{place.Name}.convs.0", [place.Outputs, place.Input, 3, 3]),
        .. TensorEntry.BatchNorm($"{place.Name}.convs.1", place.Outputs),
        .. TensorEntry.Layer(
            TensorRole.Convolution, $"{place.Name}.convs.3", [place.Outputs, place.Outputs, 3, 3]),
        .. TensorEntry.BatchNorm($"{place.Name}.convs.4", place.Outputs),
        .. TensorEntry.Layer(TensorRole.Linear, $"{place.Name}.mlp.0", [place.Input, place.EmbeddingSize]),
        .. TensorEntry.Layer(TensorRole.Linear, $"{place.Name}.mlp.2", [place.Input, place.Input]),
    ];

    private static PlainBlock Take(BlockPlace place, Queue<Tensor> tensors) => new(
        ConvolutionWeights.Take(tensors),
        BatchNormWeights.Take(tensors),
        ConvolutionWeights.Take(tensors),
        BatchNormWeights.Take(tensors),
        new(LinearWeights.Take(tensors), LinearWeights.Take(tensors)));

    /// <summary>Adds an embedding to every pixel of the input, which it may return in parts of the batch.</summary>
    private static Tensor[] AddTo(BlockInput input, Tensor e)
    {
        if (input.Skip is { } skip) return SkipConnection.Join(input.X, skip, e);
        return [input.Pools ? input.Resize().add_(e, Numbers.One) : input.X.Plus(e)];
    }

    /// <summary>Returns what to add to every pixel of the block's input.</summary>
    private Tensor Embed(Tensor v)
    {
        using var scope = NewDisposeScope();
        var e = Embedding.Forward(v).to(Convolution1.Weight.dtype);                         // B Cin
        return e.unsqueeze(2).unsqueeze(3).MoveToOuterDisposeScope();                       // B Cin 1 1
    }
}
