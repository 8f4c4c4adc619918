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
/// <item><see cref="PadSingleChannel"/> gives a single channel a second one of zeros.</item>
/// <item><see cref="Kernels"/> states the layout of images of a single pixel, whose own strides leave it open.</item>
/// <item><see cref="PaddedChannels"/> adds zeros to the channels of packed weights.</item>
/// <item><see cref="ConditionalUNet"/> computes its 1x1 convolution in bfloat16 as a matrix product.</item>
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

    /// <summary>
    /// Returns the kernels for a convolution of <paramref name="x"/>. An image of a single pixel has both layouts at
    /// once, and libtorch then uses that of the kernels.
    /// </summary>
    public static Tensor Kernels(Tensor kernels, Tensor x) =>
        x.shape[2] * x.shape[3] > 1 ? kernels : ChannelsLast(kernels);

    /// <summary>
    /// Adds a channel of zeros where there is only one: alike in an image and in the kernels applied to it.
    /// </summary>
    /// <param name="x">(B, C, H, W), or the kernels of a convolution.</param>
    public static Tensor PadSingleChannel(Tensor x) => x.shape[1] > 1 ? x : cat([x, zeros_like(x)], 1);
}
