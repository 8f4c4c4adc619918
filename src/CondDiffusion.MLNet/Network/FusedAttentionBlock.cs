using CondDiffusion.MLNet.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>An <see cref="AttentionBlock"/> for inference.</summary>
internal sealed class FusedAttentionBlock : IFusedBlock
{
    private readonly LinearWeights _norm;
    private readonly FusedConvolution _projections;
    private readonly FusedConvolution _output;

    /// <param name="block">The block.</param>
    /// <param name="channels">Channels of the inputs and of the outputs.</param>
    /// <param name="format">Size, data type and layout that the block computes in.</param>
    public FusedAttentionBlock(AttentionBlock block, PaddedChannels channels, ConvolutionFormat format)
    {
        // Three times a whole number of kernel blocks needs no padding.
        var projections = new PaddedChannels([(int)block.Projections.Bias.shape[0]], count => count);
        _norm = new LinearWeights(
            block.Norm.Weight.to(format.Type, copy: true), block.Norm.Bias.to(format.Type, copy: true)).Keep();
        _projections = new(block.Projections, channels, projections, format);
        _output = new(block.Output, channels, channels, format);
    }

    public int EmbeddedSize => 0;

    public Tensor Embed(Tensor v) => v.narrow(1, 0, 0);

    public Tensor Forward(BlockInput input, Tensor e)
    {
        using var scope = NewDisposeScope();
        var x = input.Join();
        var y = _projections.ForwardLinear(AttentionBlock.Normalize(_norm, x));             // B 3C H W

        // On a CPU the last bits of a sum in float32 depend on where its terms lie in memory.
        y = x.dtype == ScalarType.Float32 && x.device.type == DeviceType.CPU
            ? AttentionBlock.Attend(y.to(ScalarType.Float64)).to(ScalarType.Float32)
            : AttentionBlock.Attend(y);                                                     // B C H W
        return _output.ForwardLinear(ChannelLayout.ChannelsLast(y)).add_(x, Numbers.One).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _norm.Dispose();
        _projections.Dispose();
        _output.Dispose();
    }
}
