using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>The tensors of a <see cref="ConditionalUNet"/>.</summary>
/// <param name="Blocks">The blocks, in the order in which they are evaluated.</param>
/// <param name="Output">The 1x1 convolution to the image's channels.</param>
/// <param name="Embedding">The label embedding table, and the layers that the blocks share.</param>
internal sealed record UNetWeights(
    IReadOnlyList<IBlock> Blocks, ConvolutionWeights Output, EmbeddingWeights Embedding)
{
    /// <summary>Names the tensors of a network, which are in the order of <see cref="UNetShape.Tensors"/>.</summary>
    public static UNetWeights From(UNetShape shape, IEnumerable<Tensor> tensors)
    {
        var rest = new Queue<Tensor>(tensors);
        var form = shape.Form;
        return new(
            [.. shape.Places().Select(block => block.Kind.Take(block.Place, rest))],
            ConvolutionWeights.Take(rest),
            new(
                form.TakesNoiseLevel,
                Labels: rest.Dequeue(),
                Transform: shape.TakesTransform ? rest.Dequeue() : null,
                form.SharesEmbedding ? new(LinearWeights.Take(rest), LinearWeights.Take(rest)) : null));
    }
}
