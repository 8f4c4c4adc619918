using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>
/// Computes squared Euclidean distances between rows of features, a block of pairs at a time, so that the memory does
/// not grow with the number of pairs.
/// </summary>
/// <param name="origin">
/// The mean of the features, float64 (D). It is subtracted from all rows: |x|^2 + |y|^2 - 2 xy loses less to rounding
/// near the origin.
/// </param>
/// <param name="checkAlive">Called for each block; it throws to stop the computation.</param>
internal sealed class Distances(Tensor origin, Action checkAlive)
{
    private const int BlockRows = 1024;
    private const int BlockColumns = 4096;

    // More than the rounding error of |x|^2 + |y|^2 - 2 xy in float64, as a fraction of |x|^2 + |y|^2.
    private const double Rounding = 1e-12;

    // TorchSharp may free the Scalar that a call makes of a number before libtorch has read it, and in thousands of
    // calls that happens. These live on.
    private static readonly Scalar Zero = 0.0;
    private static readonly Scalar Unchanged = 1.0;
    private static readonly Scalar RoundedUp = 1 + Rounding;
    private static readonly Scalar Infinite = double.PositiveInfinity;

    /// <summary>
    /// Uses the squared distances between all rows of two sets. They are rounded up by more than their rounding error:
    /// one that equals a bound is not below it.
    /// </summary>
    /// <param name="x">The rows of the blocks, (N, D).</param>
    /// <param name="y">The columns of the blocks, (M, D).</param>
    /// <param name="use">Receives a block, float64, with its first row and its first column.</param>
    public void ForEachBlockRoundedUp(Tensor x, Tensor y, Action<Tensor, long, long> use) =>
        ForEachBlock(x, y, RoundedUp, use);

    /// <summary>Computes the squared distance from each row to its k-th nearest other row.</summary>
    /// <param name="x">The rows, (N, D), of which there are more than k.</param>
    /// <param name="k">The neighbour's number, from 1.</param>
    /// <returns>The squared distances, float64 (N).</returns>
    public Tensor FindRadii(Tensor x, int k)
    {
        using var scope = NewDisposeScope();
        var own = CountUp(x.shape[0]);
        var nearest = full([x.shape[0], k], double.PositiveInfinity, ScalarType.Float64, CPU);   // N k
        ForEachBlock(x, x, Unchanged, (block, row, column) =>
        {
            Exclude(block, own, row, column);
            var found = block.topk((int)Math.Min(k, block.shape[1]), 1, largest: false).values;
            var rows = nearest.narrow(0, row, block.shape[0]);
            rows.copy_(cat([rows, found], 1).topk(k, 1, largest: false).values);
        });
        return nearest.amax([1]).MoveToOuterDisposeScope();
    }

    /// <summary>Finds each row's nearest row of another set.</summary>
    /// <param name="x">The rows, (N, D).</param>
    /// <param name="y">The rows of the other set, (M, D).</param>
    /// <param name="excluded">For each row of x, a row of y that is passed over; null for none.</param>
    /// <returns>The number of each nearest row, and its squared distance, which is exactly 0 for equal rows.</returns>
    public (long[] Rows, double[] Squares) FindNearest(Tensor x, Tensor y, long[]? excluded = null)
    {
        using var scope = NewDisposeScope();
        var least = full([x.shape[0]], double.PositiveInfinity, ScalarType.Float64, CPU);        // N
        var nearest = zeros([x.shape[0]], ScalarType.Int64, CPU);
        ForEachBlock(x, y, Unchanged, (block, row, column) =>
        {
            if (excluded is not null) Exclude(block, excluded, row, column);
            var (values, indexes) = block.min(1);
            var first = tensor(new[] { column }, ScalarType.Int64, CPU);
            var leastRows = least.narrow(0, row, block.shape[0]);
            var nearestRows = nearest.narrow(0, row, block.shape[0]);
            nearestRows.copy_(where(values < leastRows, indexes.add_(first), nearestRows));
            leastRows.copy_(minimum(values, leastRows));
        });

        // Differences are exact for equal rows, unlike products.
        for (var row = 0L; row < x.shape[0]; row += BlockRows)
        {
            using var blockScope = NewDisposeScope();
            var count = Math.Min(BlockRows, x.shape[0] - row);
            var neighbors = y.index_select(0, nearest.narrow(0, row, count)).to(ScalarType.Float64);
            var differences = x.narrow(0, row, count).to(ScalarType.Float64) - neighbors;
            least.narrow(0, row, count).copy_(differences.square().sum([1]));
        }

        return (nearest.data<long>().ToArray(), least.data<double>().ToArray());
    }

    /// <summary>Returns the numbers from 0 up.</summary>
    public static long[] CountUp(long count)
    {
        var numbers = new long[count];
        for (var i = 0L; i < count; i++) numbers[i] = i;
        return numbers;
    }

    private void ForEachBlock(Tensor x, Tensor y, Scalar scale, Action<Tensor, long, long> use)
    {
        for (var row = 0L; row < x.shape[0]; row += BlockRows)
        {
            using var rowScope = NewDisposeScope();
            var a = Centre(x, row, BlockRows);                                               // n D
            var aa = a.square().sum([1], keepdim: true).mul_(scale);                           // n 1
            for (var column = 0L; column < y.shape[0]; column += BlockColumns)
            {
                checkAlive();
                using var blockScope = NewDisposeScope();
                var b = Centre(y, column, BlockColumns);                                     // m D
                var bb = b.square().sum([1]).mul_(scale);                                      // m
                use(addmm(bb, a, b.t(), 1, -2).add_(aa).clamp_min_(Zero), row, column);         // n m
            }
        }
    }

    private Tensor Centre(Tensor features, long start, long count) =>
        features.narrow(0, start, Math.Min(count, features.shape[0] - start)).to(ScalarType.Float64) - origin;

    /// <summary>Makes the distances to excluded rows infinite.</summary>
    private static void Exclude(Tensor block, long[] excluded, long row, long column)
    {
        var (rows, columns) = (block.shape[0], block.shape[1]);
        var places = new List<long>();
        for (var i = 0L; i < rows; i++)
        {
            var other = excluded[row + i] - column;
            if (other >= 0 && other < columns) places.Add(i * columns + other);
        }

        if (places.Count == 0) return;

        var indexes = tensor(places.ToArray(), ScalarType.Int64, CPU);
        block.view(-1).index_fill_(0, indexes, Infinite);
    }
}
