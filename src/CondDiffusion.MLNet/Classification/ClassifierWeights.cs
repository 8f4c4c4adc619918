using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Classification;

/// <summary>The tensors of a <see cref="ClassifierNetwork"/>.</summary>
/// <param name="Blocks">The convolutions of each block, and the batch norm after each of them.</param>
/// <param name="Features">The layer that computes the features, before a ReLU.</param>
/// <param name="Logits">The layer from the features to a logit for each label.</param>
internal sealed record ClassifierWeights(
    (ConvolutionWeights Convolution, BatchNormWeights Norm)[][] Blocks, LinearWeights Features, LinearWeights Logits)
{
    /// <summary>
    /// Names the tensors of a network, which are in the order of <see cref="ClassifierShape.Tensors"/>.
    /// </summary>
    public static ClassifierWeights From(ClassifierShape shape, IEnumerable<Tensor> tensors)
    {
        var rest = new Queue<Tensor>(tensors);
        (ConvolutionWeights, BatchNormWeights)[] Block() =>
        [
            .. Enumerable.Range(0, shape.Convolutions)
                .Select(_ => (ConvolutionWeights.Take(rest), BatchNormWeights.Take(rest))),
        ];

        return new([.. shape.Widths.Select(_ => Block())], LinearWeights.Take(rest), LinearWeights.Take(rest));
    }
}
