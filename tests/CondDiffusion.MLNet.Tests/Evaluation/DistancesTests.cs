using CondDiffusion.MLNet.Evaluation;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Evaluation;

[TestClass]
public sealed class DistancesTests
{
    /// <summary>
    /// The other rows are the numbers from 0 on, and each row is a quarter beyond every fourth of them. Both sets are
    /// larger than one block.
    /// </summary>
    [TestMethod]
    public void FindNearest_MoreRowsThanABlock_FindsThoseOfEveryBlock()
    {
        const int Count = 1100;
        using var scope = NewDisposeScope();
        float[] quarters = [.. Enumerable.Range(0, Count).Select(i => 4 * i + 0.25f)];
        float[] numbers = [.. Enumerable.Range(0, 4 * Count)];
        var x = tensor(quarters, [Count, 1], ScalarType.Float32, CPU);
        var y = tensor(numbers, [4 * Count, 1], ScalarType.Float32, CPU);
        var distances = new Distances(zeros(1, ScalarType.Float64, CPU), () => { });

        long[] fourths = [.. Enumerable.Range(0, Count).Select(i => 4L * i)];
        var (rows, squares) = distances.FindNearest(x, y);
        Assert.AreSequenceEqual(fourths, rows);
        Assert.AreSequenceEqual(Enumerable.Repeat(0.25 * 0.25, Count), squares);

        (rows, squares) = distances.FindNearest(x, y, excluded: fourths);
        Assert.AreSequenceEqual(fourths.Select(row => row + 1), rows);
        Assert.AreSequenceEqual(Enumerable.Repeat(0.75 * 0.75, Count), squares);
    }
}
