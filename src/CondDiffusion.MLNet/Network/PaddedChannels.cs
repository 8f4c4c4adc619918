using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// Channels of an activation, with zeros after each part up to the size that the kernels compute in. The kernels for packed weights would pad
/// internally, to the same size; on some processors (seen on AMD's of family 26, with libtorch 2.10) they do that wrongly.
/// </summary>
/// <param name="parts">Channels of each of the concatenated tensors.</param>
/// <param name="pad">The size of a part with its zeros.</param>
internal sealed class PaddedChannels(int[] parts, Func<int, int> pad)
{
    private const int Block = 16;

    /// <summary>The sizes of the parts with their zeros.</summary>
    public long[] Sizes { get; } = [.. parts.Select(part => (long)pad(part))];

    /// <summary>Feature channels: a multiple of a kernel's block.</summary>
    public static int Feature(int channels) => (channels + Block - 1) / Block * Block;

    /// <summary>Image channels: up to a block of any size, but for a single one (see <see cref="ConvBlock.PadChannels"/>).</summary>
    public static int Image(int channels) => channels > Block ? Feature(channels) : Math.Max(channels, 2);

    /// <summary>The tensor with zeros in one of its dimensions, which has the unpadded channels.</summary>
    public Tensor Pad(Tensor values, int dimension)
    {
        if (parts.Sum() == Sizes.Sum()) return values;
        var padded = values.split([.. parts.Select(part => (long)part)], dimension).Zip(Sizes, (part, size) =>
        {
            var shape = part.shape;
            shape[dimension] = size - shape[dimension];
            return cat([part, zeros(shape, part.dtype, part.device)], dimension);
        });
        return cat([.. padded], dimension);
    }
}
