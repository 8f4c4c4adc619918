using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Compares tensors by their largest difference, and counts them.</summary>
internal static class TensorAssert
{
    /// <summary>
    /// Asserts that every <paramref name="stride"/>-th value is within <paramref name="tolerance"/> of the expected
    /// one.
    /// </summary>
    public static void AreClose(float[] expected, Tensor actual, double tolerance, int stride = 1)
    {
        var values = actual.detach().contiguous().cpu().data<float>().ToArray();
        var picked = values.Where((_, i) => i % stride == 0).ToArray();
        Assert.HasCount(expected.Length, picked);
        for (var i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], picked[i], tolerance, $"value {i * stride}");
    }

    /// <summary>Asserts that every value is within <paramref name="tolerance"/> of the expected one.</summary>
    public static void AreClose(Tensor expected, Tensor actual, double tolerance)
    {
        Assert.AreSequenceEqual(expected.shape, actual.shape);
        Assert.AreEqual(0, (expected - actual).abs().max().ToDouble(), tolerance);
    }

    /// <summary>Returns the largest difference between values; infinity where one of the two is not a number.</summary>
    public static float LargestDifference(IEnumerable<float> expected, IEnumerable<float> actual) => expected
        .Zip(actual, (a, b) => Math.Abs(a - b))
        .Max(difference => float.IsNaN(difference) ? float.PositiveInfinity : difference);

    /// <summary>Returns the number of live tensors, after the finalization of those that earlier tests left.</summary>
    public static long Count()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Tensor.TotalCount;
    }
}
