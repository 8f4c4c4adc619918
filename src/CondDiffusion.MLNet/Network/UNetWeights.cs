using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>The tensors of a <see cref="ConditionalUNet"/>.</summary>
/// <param name="Down1">The block at full resolution on the way down.</param>
/// <param name="Down2">The block at half resolution on the way down.</param>
/// <param name="Bottom">The block at quarter resolution.</param>
/// <param name="Up2">The block at half resolution on the way up.</param>
/// <param name="Up1">The block at full resolution on the way up.</param>
/// <param name="Output">The 1x1 convolution to the image's channels.</param>
/// <param name="Labels">The label embedding table, (labels, D).</param>
internal sealed record UNetWeights(
    BlockWeights Down1,
    BlockWeights Down2,
    BlockWeights Bottom,
    BlockWeights Up2,
    BlockWeights Up1,
    ConvolutionWeights Output,
    Tensor Labels)
{
    /// <summary>Names the tensors of a network, which are in the order of <see cref="UNetShape.Tensors"/>.</summary>
    public static UNetWeights From(IEnumerable<Tensor> tensors)
    {
        var rest = new Queue<Tensor>(tensors);
        return new(
            Down1: BlockWeights.Take(rest),
            Down2: BlockWeights.Take(rest),
            Bottom: BlockWeights.Take(rest),
            Up2: BlockWeights.Take(rest),
            Up1: BlockWeights.Take(rest),
            Output: new(rest.Dequeue(), rest.Dequeue()),
            Labels: rest.Dequeue());
    }
}
