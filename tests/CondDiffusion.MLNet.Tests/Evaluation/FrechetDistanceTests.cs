using CondDiffusion.MLNet.Evaluation;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Evaluation;

[TestClass]
public sealed class FrechetDistanceTests
{
    [TestMethod]
    public void Between_TwoGaussiansOfTwoDimensions_IsTheClosedForm()
    {
        using var scope = NewDisposeScope();
        var a = tensor(new[,] { { 2.0, 0 }, { 1, 0.5 } });
        var b = tensor(new[,] { { 1.0, 0 }, { -3, 2 } });
        var c1 = a.matmul(a.t());
        var c2 = b.matmul(b.t()); // c1 and c2 do not commute

        // A 2 x 2 matrix has Tr(M^(1/2)) = sqrt(Tr M + 2 sqrt(det M)), by its two eigenvalues.
        var m = c1.matmul(c2);
        var root = Math.Sqrt(m.trace().item<double>() + 2 * Math.Sqrt(linalg.det(m).item<double>()));
        var expected = 3 * 3 + 4 * 4 + c1.trace().item<double>() + c2.trace().item<double>() - 2 * root;
        Assert.AreEqual(expected, FrechetDistance.Between(Sample(a, 1, -1), Sample(b, 4, 3)), 1e-9);
    }

    [TestMethod]
    public void Between_EqualSetsOfDependentFeatures_IsZero()
    {
        using var scope = NewDisposeScope();
        // Six of the eight eigenvalues are 0, but for rounding.
        var mix = arange(16, ScalarType.Float64).sin().view(2, 8);
        var features = Sample(eye(2, dtype: ScalarType.Float64), 1, 2).matmul(mix);
        Assert.AreEqual(0, FrechetDistance.Between(features, features), 1e-6);
    }

    /// <summary>In one dimension the distance is (m_1 - m_2)^2 + (s_1 - s_2)^2.</summary>
    [TestMethod]
    public void Between_MoreRowsThanABlock_HasTheMomentsOfThemAll()
    {
        using var scope = NewDisposeScope();
        float[] many = [.. Enumerable.Repeat(0f, 8000), .. Enumerable.Repeat(10f, 2000)];
        float[] two = [0, 2];

        // The mean of the many is 2, and their squared deviations are 8,000 times 4 and 2,000 times 64.
        var difference = Math.Sqrt(160_000.0 / 9999) - Math.Sqrt(2);
        Assert.AreEqual(1 + difference * difference, FrechetDistance.Between(Column(many), Column(two)), 1e-9);

        static Tensor Column(float[] values) => tensor(values, [values.Length, 1], ScalarType.Float32, CPU);
    }

    /// <summary>Returns four points whose mean is exactly (x, y) and whose covariance is exactly A A^T.</summary>
    private static Tensor Sample(Tensor a, double x, double y)
    {
        var offsets = Math.Sqrt(1.5) * a.t();
        return tensor(new[] { x, y }) + cat([offsets, -offsets]);
    }
}
