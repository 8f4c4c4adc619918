using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>A <see cref="PlainBlock"/> for inference: two convolutions that the batch norms are folded into.</summary>
internal sealed class FusedPlainBlock : IFusedBlock
{
    private readonly FusedConvolution _first;
    private readonly FusedConvolution _second;
    private readonly MlpWeights _embedding;
    private readonly PaddedChannels _inputs;
    private readonly ScalarType _type;

    /// <param name="block">The block.</param>
    /// <param name="inputs">Channels of the inputs.</param>
    /// <param name="outputs">Channels of the outputs.</param>
    /// <param name="format">Size, data type and layout that the block computes in.</param>
    public FusedPlainBlock(
        PlainBlock block, PaddedChannels inputs, PaddedChannels outputs, ConvolutionFormat format)
    {
        _first = new(block.Convolution1, block.Norm1, inputs, outputs, format);
        _second = new(block.Convolution2, block.Norm2, outputs, outputs, format);
        _embedding = new(
            block.Embedding.First.Keep(),
            new LinearWeights(
                inputs.Pad(block.Embedding.Second.Weight, 0), inputs.Pad(block.Embedding.Second.Bias, 0)).Keep());
        _inputs = inputs;
        _type = format.Type;
    }

    public int EmbeddedSize => (int)_inputs.Sizes.Sum();

    public Tensor Embed(Tensor v) => _embedding.Forward(v);

    public Tensor Forward(BlockInput input, Tensor e)
    {
        using var scope = NewDisposeScope();
        var x = ChannelLayout.ChannelsLast(AddTo(input, e).to(_type));                      // B Cin H W
        return _second.Forward(_first.Forward(x)).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        _embedding.Dispose();
    }

    /// <summary>
    /// Adds an embedding to the input. Below a skip connection it is added before the upsampling, to a quarter of the
    /// values: it is constant over an image, so the upsampling keeps it.
    /// </summary>
    private Tensor AddTo(BlockInput input, Tensor e)
    {
        if (input.Skip is { } skip)
        {
            var parts = e.split(_inputs.Sizes, 1);
            return new BlockInput(input.X.add_(parts[0], Numbers.One), skip.add_(parts[1], Numbers.One)).Join();
        }

        return input.Pools ? input.Resize().add_(e, Numbers.One) : input.X.Plus(e);
    }
}
