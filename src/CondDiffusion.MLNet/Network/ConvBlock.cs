using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>Two 3x3 convolutions, each with batch norm and ReLU, over an input to which the block's embedding was added.</summary>
internal static class ConvBlock
{
    public const int Parameters = 12, Buffers = 4;

    /// <summary>What to add to every pixel of the block's input: (B, Cin, 1, 1), of the convolutions' type.</summary>
    /// <param name="parameters">As of <see cref="Forward"/>.</param>
    /// <param name="v">The time and label embedding, (B, D).</param>
    public static Tensor Embed(ReadOnlySpan<Tensor> parameters, Tensor v)
    {
        using var scope = NewDisposeScope();
        var e = functional.linear(v, parameters[8], parameters[9]).relu_();
        e = functional.linear(e, parameters[10], parameters[11]).to(parameters[0].dtype);    // B Cin
        return e.unsqueeze(2).unsqueeze(3).MoveToOuterDisposeScope();
    }

    /// <param name="parameters">convs.0, convs.1, convs.3, convs.4, mlp.0, mlp.2: weight and bias of each.</param>
    /// <param name="buffers">convs.1, convs.4: running mean and variance of each, updated in place where <paramref name="training"/>.</param>
    /// <param name="parts">Parts of the batch, each (b, Cin, H, W), of the convolutions' type.</param>
    /// <param name="training">Normalise by the batch's statistics rather than by the running ones.</param>
    public static Tensor Forward(ReadOnlySpan<Tensor> parameters, ReadOnlySpan<Tensor> buffers, Tensor[] parts, bool training)
    {
        using var scope = NewDisposeScope();
        var weight = PadChannels(parameters[0]);
        var bias = parameters[1];
        var first = parts.Select(part => functional.conv2d(ChannelsLast(PadChannels(part)), weight, bias, padding: [1, 1])).ToArray();
        var x = ChannelsLast(first is [var only] ? only : cat(first));                       // B Cout H W
        x = functional.batch_norm(x, buffers[0], buffers[1], parameters[2], parameters[3], training).relu_();

        x = functional.conv2d(x, parameters[4], parameters[5], padding: [1, 1]);
        x = functional.batch_norm(x, buffers[2], buffers[3], parameters[6], parameters[7], training).relu_();
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Adds a channel of zeros to a single one, in an image as in the weights of a convolution. The CPU kernels for one channel work in the default
    /// layout, and on some processors (seen on AMD's of family 26, with libtorch 2.10) they then compute wrong gradients.
    /// </summary>
    public static Tensor PadChannels(Tensor x) => x.shape[1] > 1 ? x : cat([x, zeros_like(x)], 1);

    /// <summary>
    /// The same tensor with the channels of a pixel side by side in memory, the layout that convolutions are fastest in; every operator
    /// keeps it. No copy where it has it already, as all do after the first block's convolution of a single channel.
    /// </summary>
    public static Tensor ChannelsLast(Tensor x) => x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);
}
