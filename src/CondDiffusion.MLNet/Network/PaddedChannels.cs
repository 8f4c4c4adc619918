using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// The channels of an activation, with zeros after each of its parts up to the size that the kernels compute in. The
/// kernels for packed weights would pad to the same size themselves, but not correctly on every processor (see
/// <see cref="ChannelLayout"/>).
/// </summary>
/// <param name="parts">Channels of each of the concatenated tensors.</param>
/// <param name="pad">Returns the size of a part with its zeros.</param>
internal sealed class PaddedChannels(int[] parts, Func<int, int> pad)
{
    private const int Block = 16;

    /// <summary>The sizes of the parts with their zeros.</summary>
    public long[] Sizes { get; } = [.. parts.Select(part => (long)pad(part))];

    /// <summary>Returns the padded number of feature channels: a multiple of a kernel's block.</summary>
    public static int Feature(int channels) => (channels + Block - 1) / Block * Block;

    /// <summary>
    /// Returns the padded number of image channels. Up to one block any number is right but a single one
    /// (see <see cref="ChannelLayout"/>).
    /// </summary>
    public static int Image(int channels) => channels > Block ? Feature(channels) : Math.Max(channels, 2);

    /// <summary>Returns the tensor with the zeros added.</summary>
    /// <param name="values">A tensor of unpadded channels.</param>
    /// <param name="dimension">The dimension of the channels.</param>
    public Tensor Pad(Tensor values, int dimension)
    {
        if (parts.Sum() == Sizes.Sum()) return values;

        var unpadded = values.split([.. parts.Select(part => (long)part)], dimension);
        return cat([.. unpadded.Zip(Sizes, PadPart)], dimension);

        Tensor PadPart(Tensor part, long size)
        {
            var shape = part.shape;
            shape[dimension] = size - shape[dimension];
            return cat([part, zeros(shape, part.dtype, part.device)], dimension);
        }
    }
}
