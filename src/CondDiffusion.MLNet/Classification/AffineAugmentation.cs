using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Classification;

/// <summary>
/// Shifts, rotates and scales each image at random. What comes in from outside has the values of the edge.
/// </summary>
/// <param name="Shift">The largest shift along each axis, as a fraction of the image's side.</param>
/// <param name="Rotation">The largest rotation in each direction, in degrees.</param>
/// <param name="Scale">The largest change of size: an image is scaled by a factor in [1 - Scale, 1 + Scale].</param>
internal sealed record AffineAugmentation(double Shift, double Rotation, double Scale)
{
    private bool IsIdentity => Shift == 0 && Rotation == 0 && Scale == 0;

    /// <summary>Returns the images transformed, each in its own way.</summary>
    /// <param name="x">(B, C, H, W).</param>
    /// <param name="random">The source of the random numbers, on the CPU.</param>
    public Tensor Apply(Tensor x, Generator random)
    {
        if (IsIdentity) return x;

        using var scope = NewDisposeScope();
        var uniform = rand([4, x.shape[0]], ScalarType.Float32, CPU, generator: random) * 2 - 1;
        return Transform(
            x,
            angle: uniform[0] * (Rotation * Math.PI / 180),
            scale: uniform[1] * Scale + 1,
            right: uniform[2] * Shift,
            down: uniform[3] * Shift).MoveToOuterDisposeScope();
    }

    /// <summary>Returns the images shifted, and then rotated and scaled around their center.</summary>
    /// <param name="x">(B, C, H, W).</param>
    /// <param name="angle">The rotation counterclockwise of each image, in radians, (B), on the CPU.</param>
    /// <param name="scale">The factor of the size of each image, (B), on the CPU.</param>
    /// <param name="right">The shift to the right, as a fraction of the width, (B), on the CPU.</param>
    /// <param name="down">The shift downwards, as a fraction of the height, (B), on the CPU.</param>
    public static Tensor Transform(Tensor x, Tensor angle, Tensor scale, Tensor right, Tensor down)
    {
        using var scope = NewDisposeScope();

        // The map goes from a pixel of the result to the place in the image, in coordinates from -1 to 1. A square of
        // these is H x W pixels, so a rotation in pixels stretches by the ratio of the sides.
        var ratio = (double)x.shape[2] / x.shape[3];
        var cos = angle.cos() / scale;
        var sin = angle.sin() / scale;
        var rows = stack([cos, sin * -ratio, right * -2, sin / ratio, cos, down * -2], 1);
        var map = rows.view(x.shape[0], 2, 3).to(x.device);                                 // B 2 3

        var grid = functional.affine_grid(map, x.shape, align_corners: false);              // B H W 2
        return functional
            .grid_sample(x, grid, GridSampleMode.Bilinear, GridSamplePaddingMode.Border, align_corners: false)
            .MoveToOuterDisposeScope();
    }
}
