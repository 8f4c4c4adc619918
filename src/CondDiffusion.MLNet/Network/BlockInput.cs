using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>What a block of a U-Net is given.</summary>
/// <param name="X">The output of the block before it, (B, C, H, W).</param>
/// <param name="Skip">
/// The activations of the encoder that <paramref name="X"/> is upsampled to and joined with, (B, Cskip, 2H, 2W); null
/// for none.
/// </param>
/// <param name="Pools">Whether height and width of <paramref name="X"/> are halved first.</param>
internal readonly record struct BlockInput(Tensor X, Tensor? Skip = null, bool Pools = false)
{
    /// <summary>Returns the one tensor that the block computes with, to which nothing is added.</summary>
    public Tensor Join() => Skip is null ? Resize() : cat([SkipConnection.Upsample(X), Skip], 1);

    /// <summary>Returns <see cref="X"/>, pooled where that is due.</summary>
    public Tensor Resize() => Pools ? functional.max_pool2d(X, 2) : X;
}
