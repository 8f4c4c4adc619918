using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>A block of a <see cref="ConditionalUNet"/>, with views of the network's tensors.</summary>
internal interface IBlock
{
    /// <summary>Applies the block. Inputs and outputs have the data type of the convolutions.</summary>
    /// <param name="input">What it is given.</param>
    /// <param name="v">The time and label embedding, float32 (B, D).</param>
    /// <param name="training">
    /// Whether to normalize by the batch's statistics, and to update the running ones, rather than to normalize by
    /// those.
    /// </param>
    /// <returns>(B, Cout, H, W).</returns>
    Tensor Forward(BlockInput input, Tensor v, bool training);

    /// <summary>Returns the block for inference. It may share the embedding's weights with this one.</summary>
    /// <param name="inputs">Channels of the inputs.</param>
    /// <param name="outputs">Channels of the outputs.</param>
    /// <param name="format">Size, data type and layout that the block computes in.</param>
    IFusedBlock Fuse(PaddedChannels inputs, PaddedChannels outputs, ConvolutionFormat format);
}
