using CondDiffusion.MLNet.Tests.Classification;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class AffineAugmentationTests
{
    private DisposeScope? _scope;

    [TestInitialize]
    public void OpenScope() => _scope = NewDisposeScope();

    [TestCleanup]
    public void CloseScope() => _scope?.Dispose();

    [TestMethod]
    public void Transform_ShiftByWholePixels_MovesTheImageAndRepeatsItsEdge()
    {
        var x = Shapes.Random(1, 1, 2, 6, 8);
        var y = Transform(x, right: 2 / 8.0, down: -1 / 6.0);
        for (var row = 0; row < 6; row++)
        {
            for (var column = 0; column < 8; column++)
            {
                var expected = x[0, .., Math.Min(row + 1, 5), Math.Max(column - 2, 0)];
                TensorAssert.AreClose(expected, y[0, .., row, column], 1e-5);
            }
        }
    }

    [TestMethod]
    public void Transform_QuarterTurnsOfASquare_MoveEveryPixel()
    {
        var x = Shapes.Random(1, 1, 3, 7, 7);
        for (var turns = -1; turns <= 2; turns++)
            TensorAssert.AreClose(rot90(x, turns, (2, 3)), Transform(x, angle: turns * Math.PI / 2), 1e-5);
    }

    [TestMethod]
    public void Transform_TwiceTheSize_InterpolatesTheMiddle()
    {
        var x = tensor([0f, 1, 2, 3], [1, 1, 1, 4], ScalarType.Float32, CPU).expand(1, 1, 4, 4);
        var expected = tensor([0.75f, 1.25f, 1.75f, 2.25f], [1, 1, 1, 4], ScalarType.Float32, CPU).expand(1, 1, 4, 4);
        TensorAssert.AreClose(expected, Transform(x, scale: 2), 1e-5);
    }

    /// <summary>A rotation in pixels maps a circle to itself, whatever the sides of the image.</summary>
    [TestMethod]
    [DataRow(24, 24)]
    [DataRow(20, 40)]
    [DataRow(40, 20)]
    public void Transform_RotationOfACircle_LeavesIt(int height, int width)
    {
        var rows = arange(height, ScalarType.Float32, CPU).view(-1, 1) - (height - 1) / 2.0;
        var columns = arange(width, ScalarType.Float32, CPU).view(1, -1) - (width - 1) / 2.0;
        var circle = ((rows.square() + columns.square()) / -20).exp().view(1, 1, height, width);
        TensorAssert.AreClose(circle, Transform(circle, angle: 0.7), 0.04);
    }

    [TestMethod]
    [DataRow(5, 9)]
    [DataRow(9, 4)]
    [DataRow(1, 3)]
    public void Transform_AnyParameters_EqualsTheFormulasInPixels(int height, int width)
    {
        double[] angle = [0.4, -1.3, 3];
        double[] scale = [0.7, 1.4, 1];
        double[] right = [0.2, -0.35, 0];
        double[] down = [-0.1, 0, 0.4];
        var x = Shapes.Random(1, 3, 2, height, width);
        var actual = AffineAugmentation.Transform(x, Values(angle), Values(scale), Values(right), Values(down));
        for (var image = 0; image < 3; image++)
        {
            for (var row = 0; row < height; row++)
            {
                for (var column = 0; column < width; column++)
                {
                    var u = column - (width - 1) / 2.0;
                    var v = row - (height - 1) / 2.0;
                    var cos = Math.Cos(angle[image]) / scale[image];
                    var sin = Math.Sin(angle[image]) / scale[image];
                    var fromColumn = cos * u - sin * v + (width - 1) / 2.0 - right[image] * width;
                    var fromRow = sin * u + cos * v + (height - 1) / 2.0 - down[image] * height;
                    TensorAssert.AreClose(
                        Interpolate(x[image], fromRow, fromColumn), actual[image, .., row, column], 1e-4);
                }
            }
        }
    }

    [TestMethod]
    public void Apply_NoAugmentation_ReturnsTheTensorAndDrawsNothing()
    {
        using var random = new Generator(1, CPU);
        var x = Shapes.Random(1, 2, 1, 3, 3);
        foreach (var augmentation in new AffineAugmentation[] { new(0, 0, 0), new(0.1, 10, 0.1, Fraction: 0) })
        {
            var (images, transforms) = augmentation.Apply(x, random);
            Assert.AreSame(x, images);
            Assert.IsNull(transforms);
        }

        using var other = new Generator(1, CPU);
        TensorAssert.AreClose(rand(3, ScalarType.Float32, CPU, generator: other), rand(
            3, ScalarType.Float32, CPU, generator: random), 0);
    }

    /// <summary>
    /// Images of the number of each pixel's column and row show what was done to them: where the center of a result
    /// comes from, and a neighbour of it.
    /// </summary>
    [TestMethod]
    [DataRow(0.25, 0.0, 0.0)]
    [DataRow(0.0, 40.0, 0.0)]
    [DataRow(0.0, 0.0, 0.3)]
    public void Apply_ManyImages_CoversTheRangesEvenly(double shift, double rotation, double scale)
    {
        var (done, _) = Measure(new(shift, rotation, scale));
        AssertUniform(done.Right, shift);
        AssertUniform(done.Down, shift);
        AssertUniform(done.Degrees, rotation);
        AssertUniform(done.Growth, scale);

        var isShared = (done.Right - done.Down).abs().max().item<float>() < 1e-4;
        Assert.AreEqual(shift == 0, isShared, "each axis has a shift of its own");
    }

    /// <summary>The network is told what can be seen in the images.</summary>
    [TestMethod]
    [DataRow(0.25, 0.0, 0.0, 1.0)]
    [DataRow(0.0, 40.0, 0.0, 1.0)]
    [DataRow(0.0, 170.0, 0.0, 0.9)]
    [DataRow(0.0, 0.01, 0.0, 0.9)]
    [DataRow(0.0, 0.0, 0.3, 0.7)]
    [DataRow(0.2, 30.0, 0.3, 0.4)]
    public void Apply_Transforms_SayWhatWasDone(double shift, double rotation, double scale, double fraction)
    {
        var (done, transforms) = Measure(new(shift, rotation, scale, fraction));
        var angle = done.Degrees * (Math.PI / 180);
        var most = rotation * Math.PI / 180;
        Tensor[] expected =
        [
            Divide(done.Right, shift),
            Divide(done.Down, shift),
            Divide(done.Growth, scale),
            Divide(angle.sin(), Math.Sin(Math.Min(most, Math.PI / 2))),
            Divide(2 * (angle / 2).sin().square(), 1 - Math.Cos(most)),
        ];

        // The angle is read from pixels, whose digits a rotation of a hundredth of a degree nearly exhausts.
        var tolerance = rotation is > 0 and < 1 ? 0.02 : 1e-3;
        TensorAssert.AreClose(stack(expected, 1), transforms, tolerance);
        var size = transforms.abs().amax([0]);                                              // 5
        Assert.IsTrue(size.data<float>().All(value => value is 0 or (> 0.9f and <= 1.001f)), $"{size}");

        var isTransformed = transforms.abs().amax([1]) > 0;
        Assert.AreEqual(fraction, isTransformed.to(ScalarType.Float32).mean().item<float>(), 0.06);

        static Tensor Divide(Tensor values, double most) => most > 0 ? values / most : zeros_like(values);
    }

    [TestMethod]
    public void Apply_SameSeed_GivesTheSameImages()
    {
        var x = Shapes.Random(1, 4, 1, 6, 6);
        var augmentation = new AffineAugmentation(0.1, 10, 0.1);
        Tensor Apply(ulong seed)
        {
            using var random = new Generator(seed, CPU);
            return augmentation.Apply(x, random).Images;
        }

        Assert.IsTrue(Apply(1).equal(Apply(1)).all().item<bool>());
        Assert.IsFalse(Apply(1).equal(Apply(2)).all().item<bool>());
    }

    /// <summary>Transforms images of their coordinates, and reads from each what was done to it.</summary>
    private static (Done Done, Tensor Transforms) Measure(AffineAugmentation augmentation)
    {
        const int Count = 1000;
        const int Side = 17;
        var numbers = arange(Side, ScalarType.Float32, CPU) - 8;
        var columns = numbers.view(1, 1, 1, Side).expand(Count, 1, Side, Side);
        var rows = numbers.view(1, 1, Side, 1).expand(Count, 1, Side, Side);

        using var random = new Generator(2, CPU);
        var (y, transforms) = augmentation.Apply(cat([columns, rows], 1), random);
        var center = y[.., .., 8, 8];
        var step = y[.., .., 8, 9] - center;                                              // (cos, sin) / scale
        return (
            new(
                -center[.., 0] / Side,
                -center[.., 1] / Side,
                atan2(step[.., 1], step[.., 0]) * (180 / Math.PI),
                1 / step.norm(1) - 1),
            transforms!);
    }

    private static void AssertUniform(Tensor values, double bound)
    {
        var parts = values.data<float>().ToArray();
        Assert.IsLessThanOrEqualTo(bound * 1.001 + 1e-4, parts.Max(Math.Abs));
        if (bound == 0) return;

        for (var quarter = 0; quarter < 4; quarter++)
        {
            var low = bound * (quarter / 2.0 - 1);
            var inside = parts.Count(value => value >= low && value < low + bound / 2);
            Assert.AreEqual(0.25, inside / (double)parts.Length, 0.06, $"quarter {quarter}"); // 4 standard deviations
        }

        Assert.IsGreaterThan(0.98 * bound, parts.Max());
        Assert.IsLessThan(-0.98 * bound, parts.Min());
    }

    private static Tensor Transform(
        Tensor x, double angle = 0, double scale = 1, double right = 0, double down = 0) =>
        AffineAugmentation.Transform(x, Values(angle), Values(scale), Values(right), Values(down));

    private static Tensor Values(params double[] values) =>
        tensor(values, ScalarType.Float64, CPU).to(ScalarType.Float32);

    /// <summary>Interpolates an image between the four pixels around a place; those outside are those of the edge.
    /// </summary>
    private static Tensor Interpolate(Tensor image, double row, double column)
    {
        row = Math.Clamp(row, 0, image.shape[1] - 1);
        column = Math.Clamp(column, 0, image.shape[2] - 1);
        var top = (int)row;
        var left = (int)column;
        var bottom = Math.Min(top + 1, (int)image.shape[1] - 1);
        var right = Math.Min(left + 1, (int)image.shape[2] - 1);
        var upper = image[.., top, left] * (1 - column + left) + image[.., top, right] * (column - left);
        var lower = image[.., bottom, left] * (1 - column + left) + image[.., bottom, right] * (column - left);
        return upper * (1 - row + top) + lower * (row - top);
    }

    /// <summary>What was done to each image, each (B).</summary>
    /// <param name="Right">The shift to the right, as a fraction of the width.</param>
    /// <param name="Down">The shift downwards, as a fraction of the height.</param>
    /// <param name="Degrees">The rotation.</param>
    /// <param name="Growth">The factor of the size, less 1.</param>
    private readonly record struct Done(Tensor Right, Tensor Down, Tensor Degrees, Tensor Growth);
}
