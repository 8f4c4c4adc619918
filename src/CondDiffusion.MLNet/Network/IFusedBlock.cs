using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>A block of an <see cref="InferenceUNet"/>, which owns its tensors.</summary>
internal interface IFusedBlock : IDisposable
{
    /// <summary>How many values the block takes of the time and label embedding.</summary>
    int EmbeddedSize { get; }

    /// <summary>Returns what the block takes of the time and label embedding v.</summary>
    /// <param name="v">The embedding, float32 (B, D).</param>
    /// <returns>(B, <see cref="EmbeddedSize"/>).</returns>
    Tensor Embed(Tensor v);

    /// <summary>Applies the block.</summary>
    /// <param name="input">What it is given; the block may write over its tensors.</param>
    /// <param name="e">The result of <see cref="Embed"/>, (B, <see cref="EmbeddedSize"/>, 1, 1).</param>
    /// <returns>(B, Cout, H, W), in channels-last layout.</returns>
    Tensor Forward(BlockInput input, Tensor e);
}
