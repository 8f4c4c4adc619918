using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>The tensors of one <see cref="ConvBlock"/>.</summary>
/// <param name="Convolution1">The first 3x3 convolution: <c>convs.0</c> in PyTorch's state_dict.</param>
/// <param name="Norm1">The batch norm after it: <c>convs.1</c>.</param>
/// <param name="Convolution2">The second 3x3 convolution: <c>convs.3</c>.</param>
/// <param name="Norm2">The batch norm after it: <c>convs.4</c>.</param>
/// <param name="Embedding">
/// The layers from the time and label embedding to the block's input channels: <c>mlp.0</c> and <c>mlp.2</c>.
/// </param>
internal sealed record BlockWeights(
    ConvolutionWeights Convolution1,
    BatchNormWeights Norm1,
    ConvolutionWeights Convolution2,
    BatchNormWeights Norm2,
    MlpWeights Embedding)
{
    /// <summary>Takes the next block's tensors, which are in the order of <see cref="UNetShape.Tensors"/>.</summary>
    public static BlockWeights Take(Queue<Tensor> tensors)
    {
        ConvolutionWeights Convolution() => new(tensors.Dequeue(), tensors.Dequeue());
        BatchNormWeights Norm() => new(tensors.Dequeue(), tensors.Dequeue(), tensors.Dequeue(), tensors.Dequeue());
        LinearWeights Linear() => new(tensors.Dequeue(), tensors.Dequeue());

        return new(Convolution(), Norm(), Convolution(), Norm(), new(Linear(), Linear()));
    }
}
