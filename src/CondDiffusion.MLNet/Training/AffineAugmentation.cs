using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Shifts, rotates and scales each image at random. What comes in from outside has the values of the edge.
/// </summary>
/// <param name="Shift">The largest shift along each axis, as a fraction of the image's side.</param>
/// <param name="Rotation">The largest rotation in each direction, in degrees.</param>
/// <param name="Scale">The largest change of size: an image is scaled by a factor in [1 - Scale, 1 + Scale].</param>
/// <param name="Fraction">The fraction of the images that are transformed at all; the seed chooses them.</param>
internal sealed record AffineAugmentation(double Shift, double Rotation, double Scale, double Fraction = 1)
{
    /// <summary>Whether every image stays as it is.</summary>
    public bool IsIdentity => Fraction == 0 || (Shift == 0 && Rotation == 0 && Scale == 0);

    private double Radians => Rotation * Math.PI / 180;

    /// <summary>Transforms each image in its own way.</summary>
    /// <param name="x">(B, C, H, W).</param>
    /// <param name="random">The source of the random numbers, on the CPU.</param>
    /// <returns>
    /// The images, and what was done to each as <see cref="Describe"/> says it, (B, 5), on the images' device; null
    /// where nothing is ever done.
    /// </returns>
    public (Tensor Images, Tensor? Transforms) Apply(Tensor x, Generator random)
    {
        if (IsIdentity) return (x, null);

        using var scope = NewDisposeScope();
        var count = x.shape[0];
        var uniform = rand([4, count], ScalarType.Float32, CPU, generator: random).Times(2).Plus(-1);
        if (Fraction < 1)
            uniform *= rand([count], ScalarType.Float32, CPU, generator: random).IsBelow(Fraction);

        var angle = uniform[0].Times(Radians);
        var scale = uniform[1].Times(Scale).Plus(1);
        var right = uniform[2].Times(Shift);
        var down = uniform[3].Times(Shift);
        return (
            Transform(x, angle, scale, right, down).MoveToOuterDisposeScope(),
            Describe(angle, scale, right, down).to(x.device).MoveToOuterDisposeScope());
    }

    /// <summary>
    /// Describes transforms for a network: the shift to the right and downwards, the change of size, and the sine and 1
    /// less the cosine of the angle, each divided by its largest value, and 0 where that is 0. A transform that does
    /// nothing is five zeros. The parameters are those of <see cref="Transform"/>.
    /// </summary>
    /// <returns>(B, 5), on the CPU.</returns>
    public Tensor Describe(Tensor angle, Tensor scale, Tensor right, Tensor down)
    {
        using var scope = NewDisposeScope();

        // 1 - cos a = 2 sin^2(a / 2), which keeps the digits of small angles
        var parameters = stack(
            [right, down, scale.Plus(-1), angle.sin(), angle.Over(2).sin().square().Times(2)], 1);
        var largest = new[]
        {
            Shift, Shift, Scale, Math.Sin(Math.Min(Radians, Math.PI / 2)), 1 - Math.Cos(Math.Min(Radians, Math.PI)),
        };
        float[] factors = [.. largest.Select(value => value > 0 ? (float)(1 / value) : 0)];
        return (parameters * tensor(factors, ScalarType.Float32, CPU)).MoveToOuterDisposeScope();
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
        var rows = stack([cos, sin.Times(-ratio), right.Times(-2), sin.Over(ratio), cos, down.Times(-2)], 1);
        var map = rows.view(x.shape[0], 2, 3).to(x.device);                                 // B 2 3

        var grid = functional.affine_grid(map, x.shape, align_corners: false);              // B H W 2
        return functional
            .grid_sample(x, grid, GridSampleMode.Bilinear, GridSamplePaddingMode.Border, align_corners: false)
            .MoveToOuterDisposeScope();
    }
}
