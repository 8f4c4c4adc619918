using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>A <see cref="ResidualBlock"/> for inference: the batch norms are folded into the convolutions.</summary>
internal sealed class FusedResidualBlock : IFusedBlock
{
    private readonly FusedConvolution _first;
    private readonly FusedConvolution _second;
    private readonly LinearWeights _modulation;
    private readonly FusedConvolution? _projection;
    private readonly ScalarType _type;

    /// <param name="block">The block.</param>
    /// <param name="inputs">Channels of the inputs.</param>
    /// <param name="outputs">Channels of the outputs.</param>
    /// <param name="format">Size, data type and layout that the block computes in.</param>
    public FusedResidualBlock(
        ResidualBlock block, PaddedChannels inputs, PaddedChannels outputs, ConvolutionFormat format)
    {
        _first = new(block.Convolution1, block.Norm1, inputs, outputs, format);
        _second = new(block.Convolution2, block.Norm2, outputs, outputs, format);
        _modulation = block.Modulation.Keep();
        _type = format.Type;
        if (block.Projection is { } projection) _projection = new(projection, inputs, outputs, format);
    }

    public int EmbeddedSize => (int)_modulation.Bias.shape[0];

    public Tensor Embed(Tensor v) => ResidualBlock.Modulate(_modulation, v);

    public Tensor Forward(BlockInput input, Tensor e)
    {
        using var scope = NewDisposeScope();
        var x = ChannelLayout.ChannelsLast(input.Join().to(_type));                         // B Cin H W
        var modulation = e.chunk(2, 1);                                                     // each B Cout 1 1
        var y = addcmul(modulation[1], _first.ForwardLinear(x), modulation[0], Numbers.One);    // B Cout H W
        y = functional.silu(y, inplace: true);
        return _second.ForwardResidual(y, _projection?.ForwardLinear(x) ?? x).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        _modulation.Dispose();
        _projection?.Dispose();
    }
}
