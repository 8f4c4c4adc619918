using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>A <see cref="ConvBlock"/> for inference: two convolutions that the batch norms are folded into.</summary>
internal sealed class FusedBlock : IDisposable
{
    private readonly FusedConvolution _first;
    private readonly FusedConvolution _second;

    /// <param name="weights">The block's weights.</param>
    /// <param name="inputs">Channels of the inputs.</param>
    /// <param name="outputs">Channels of the outputs.</param>
    /// <param name="format">Size, data type and layout that the block computes in.</param>
    public FusedBlock(BlockWeights weights, PaddedChannels inputs, PaddedChannels outputs, ConvolutionFormat format)
    {
        _first = new(weights.Convolution1, weights.Norm1, inputs, outputs, format);
        _second = new(weights.Convolution2, weights.Norm2, outputs, outputs, format);

        var first = weights.Embedding.First;
        var second = weights.Embedding.Second;
        Embedding = new(
            new(first.Weight.DetachFromDisposeScope(), first.Bias.DetachFromDisposeScope()),
            new(
                inputs.Pad(second.Weight, 0).DetachFromDisposeScope(),
                inputs.Pad(second.Bias, 0).DetachFromDisposeScope()));
        Inputs = inputs;
    }

    /// <summary>Channels of the inputs.</summary>
    public PaddedChannels Inputs { get; }

    /// <summary>The layers from the time and label embedding to what is added to the block's input.</summary>
    public MlpWeights Embedding { get; }

    /// <summary>Applies the convolutions.</summary>
    /// <param name="x">The input with the embedding added, (B, Cin, H, W).</param>
    /// <returns>(B, Cout, H, W), in channels-last layout.</returns>
    public Tensor Forward(Tensor x)
    {
        using var between = _first.Forward(x);
        return _second.Forward(between);
    }

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        Embedding.First.Weight.Dispose();
        Embedding.First.Bias.Dispose();
        Embedding.Second.Weight.Dispose();
        Embedding.Second.Bias.Dispose();
    }
}
