using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>The layout in memory that every processor computes convolutions correctly and quickly in.</summary>
/// <remarks>
/// On AMD processors of family 26, libtorch 2.10 computes wrong results (measured) wherever oneDNN pads channels to the
/// block size of one of its blocked layouts: gradients at layers of a single channel, which it takes in the default
/// layout, and outputs of packed weights whose numbers of channels are not multiples of 16. In channels-last layout
/// with two channels or more nothing is padded, and all results are right. Therefore no convolution here leaves padding
/// to oneDNN:
/// <list type="bullet">
/// <item><see cref="Convolve"/> gives a single channel a second one of zeros, and states the layout of images of a
/// single pixel, whose own strides leave it open.</item>
/// <item><see cref="PaddedChannels"/> adds zeros to the channels of packed weights.</item>
/// <item><see cref="ConvolutionWeights.Project"/> computes 1x1 convolutions as matrix products.</item>
/// </list>
/// </remarks>
internal static class ChannelLayout
{
    /// <summary>
    /// Returns the same tensor with the channels of a pixel side by side in memory. Convolutions are fastest in this
    /// layout, and every operator keeps it. A tensor that has it already is not copied.
    /// </summary>
    /// <param name="x">(B, C, H, W), or the kernels of a convolution.</param>
    public static Tensor ChannelsLast(Tensor x) => x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);

    /// <summary>Applies a 3x3 convolution.</summary>
    /// <param name="x">(B, Cin, H, W), in any layout.</param>
    /// <param name="kernels">(Cout, Cin, 3, 3).</param>
    /// <param name="bias">(Cout).</param>
    /// <returns>(B, Cout, H, W), in channels-last layout.</returns>
    public static Tensor Convolve(Tensor x, Tensor kernels, Tensor bias)
    {
        using var scope = NewDisposeScope();
        x = PadSingleChannel(x);
        kernels = PadSingleChannel(kernels);

        // An image of a single pixel has both layouts at once, and libtorch then uses that of the kernels.
        if (x.shape[2] * x.shape[3] == 1) kernels = ChannelsLast(kernels);

        var y = nn.functional.conv2d(ChannelsLast(x), kernels, bias, padding: [1, 1]);
        return ChannelsLast(y).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Adds a channel of zeros where there is only one: alike in an image and in the kernels applied to it.
    /// </summary>
    private static Tensor PadSingleChannel(Tensor x) => x.shape[1] > 1 ? x : cat([x, zeros_like(x)], 1);
}
