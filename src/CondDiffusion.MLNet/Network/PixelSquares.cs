using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// Turns squares of pixels into channels, and back (Shi et al. 2016, arXiv 1609.05158, section 2.2), with the order of
/// the channels that PyTorch's <c>pixel_unshuffle</c> has.
/// </summary>
internal static class PixelSquares
{
    /// <summary>Turns each square of pixels into the channels of one.</summary>
    /// <param name="x">(B, C, H, W).</param>
    /// <param name="side">The side of the squares, s.</param>
    /// <returns>(B, C s s, H/s, W/s), in channels-last layout; the same tensor where s is 1.</returns>
    public static Tensor ToChannels(Tensor x, int side)
    {
        if (side == 1) return x;

        var batch = x.shape[0];
        var channels = x.shape[1];
        var height = x.shape[2] / side;
        var width = x.shape[3] / side;
        return x.reshape(batch, channels, height, side, width, side)
            .permute(0, 2, 4, 1, 3, 5)                                                      // B H/s W/s C s s
            .reshape(batch, height, width, channels * side * side)
            .permute(0, 3, 1, 2);
    }

    /// <summary>Turns the channels of each pixel into a square of pixels.</summary>
    /// <param name="x">(B, C s s, H/s, W/s).</param>
    /// <param name="side">The side of the squares, s.</param>
    /// <returns>(B, C, H, W); the same tensor where s is 1.</returns>
    public static Tensor ToPixels(Tensor x, int side)
    {
        if (side == 1) return x;

        var batch = x.shape[0];
        var channels = x.shape[1] / (side * side);
        var height = x.shape[2];
        var width = x.shape[3];
        return x.permute(0, 2, 3, 1)
            .view(batch, height, width, channels, side, side)
            .permute(0, 3, 1, 4, 2, 5)                                                      // B C H/s s W/s s
            .reshape(batch, channels, height * side, width * side);
    }
}
