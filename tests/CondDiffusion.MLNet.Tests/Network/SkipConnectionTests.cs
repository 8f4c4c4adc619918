using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Network;

[TestClass]
public sealed class SkipConnectionTests
{
    /// <summary>
    /// A new row lies a quarter of the way between two old ones: three quarters of it are the nearer one. The numbers
    /// are exact in bfloat16.
    /// </summary>
    /// <param name="type">The data type.</param>
    /// <param name="forGradient">Whether the gradient is needed.</param>
    [TestMethod]
    [DataRow(ScalarType.BFloat16, true)]
    [DataRow(ScalarType.BFloat16, false)]
    [DataRow(ScalarType.Float32, true)]
    public void Upsample_TwoRowsOfThree_InterpolatesBetweenThem(ScalarType type, bool forGradient)
    {
        using var scope = NewDisposeScope();
        var x = tensor(new float[] { 0, 4, 8, 16, 20, 24 }).view(1, 1, 2, 3).to(type).requires_grad_(forGradient);

        var y = SkipConnection.Upsample(x);

        Assert.AreSequenceEqual([1, 1, 4, 6], y.shape);
        TensorAssert.AreClose(
            [
                0, 1, 3, 5, 7, 8,
                4, 5, 7, 9, 11, 12,
                12, 13, 15, 17, 19, 20,
                16, 17, 19, 21, 23, 24,
            ],
            y.to(ScalarType.Float32),
            tolerance: 0);
    }

    /// <summary>The gradient of an old pixel is what the new ones take of it.</summary>
    [TestMethod]
    public void Upsample_Gradient_IsWhatTheNewPixelsTakeOfTheOldOnes()
    {
        using var scope = NewDisposeScope();
        var x = zeros(2, 3, 2, 3, ScalarType.BFloat16).requires_grad_();
        var weights = zeros(2, 3, 4, 6, ScalarType.BFloat16);
        weights[1, 2, 1, 2] = 16; // 3/4 of the upper row and 1/4 of the lower one, 3/4 of column 1 and 1/4 of column 0

        (SkipConnection.Upsample(x) * weights).sum().backward();

        var expected = zeros(2, 3, 2, 3);
        expected[1, 2] = tensor(new float[] { 3, 9, 0, 1, 3, 0 }).view(2, 3);
        TensorAssert.AreClose(expected, x.grad!.to(ScalarType.Float32), tolerance: 0);
    }
}
