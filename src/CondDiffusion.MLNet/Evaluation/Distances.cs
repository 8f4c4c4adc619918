using System.Numerics;
using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Diffusion;
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

    private static readonly Scalar RoundedUp = 1 + Rounding;

    /// <summary>Computes the mean of rows, float64 (D), without a copy of them in float64.</summary>
    /// <param name="x">The rows, (N, D).</param>
    public static Tensor Mean(Tensor x)
    {
        using var scope = NewDisposeScope();
        var sum = zeros(x.shape[1], ScalarType.Float64, CPU);
        foreach (var block in x.split(BlockRows)) sum = sum.Plus(block.sum([0], type: ScalarType.Float64));
        return sum.Over(x.shape[0]).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Uses the squared distances between all rows of two sets, a row of a block at a time and several in parallel.
    /// They are rounded up by more than their rounding error: one that equals a bound is not below it.
    /// </summary>
    /// <param name="x">The rows of the blocks, (N, D).</param>
    /// <param name="y">The columns of the blocks, (M, D).</param>
    /// <param name="use">Receives part of a row.</param>
    public void ForEachRowRoundedUp(Tensor x, Tensor y, UseRow use) =>
        ForEachBlock(x, y, RoundedUp, (block, row, column) => ForEachRow(block, row, column, use));

    /// <summary>Computes the squared distance from each row to its k-th nearest other row.</summary>
    /// <param name="x">The rows, (N, D), of which there are more than k.</param>
    /// <param name="k">The neighbour's number, from 1.</param>
    public double[] FindRadii(Tensor x, int k)
    {
        var nearest = new double[x.shape[0] * k]; // for each row the k least distances, ascending
        Array.Fill(nearest, double.PositiveInfinity);
        ForEachBlock(x, x, Numbers.One, (block, row, column) => ForEachRow(block, row, column, (number, _, squares) =>
        {
            var least = nearest.AsSpan(number * k, k);
            var own = number - (int)column;
            for (var i = FindBelow(squares, least[^1], 0); i >= 0; i = FindBelow(squares, least[^1], i + 1))
            {
                if (i != own) Insert(least, squares[i]);
            }
        }));
        return [.. Enumerable.Range(1, (int)x.shape[0]).Select(row => nearest[row * k - 1])];
    }

    /// <summary>Finds each row's nearest row of another set.</summary>
    /// <param name="x">The rows, (N, D).</param>
    /// <param name="y">The rows of the other set, (M, D).</param>
    /// <param name="excluded">For each row of x, a row of y that is passed over; null for none.</param>
    /// <returns>The number of each nearest row, and its squared distance, which is exactly 0 for equal rows.</returns>
    public (long[] Rows, double[] Squares) FindNearest(Tensor x, Tensor y, long[]? excluded = null)
    {
        var least = new double[x.shape[0]];
        var nearest = new long[x.shape[0]];
        Array.Fill(least, double.PositiveInfinity);
        ForEachBlock(x, y, Numbers.One, (block, row, column) => ForEachRow(block, row, column, (number, _, squares) =>
        {
            var passedOver = excluded is null ? -1 : excluded[number] - column;
            for (var i = FindBelow(squares, least[number], 0); i >= 0; i = FindBelow(squares, least[number], i + 1))
            {
                if (i == passedOver) continue;
                least[number] = squares[i];
                nearest[number] = column + i;
            }
        }));

        // Differences are exact for equal rows, unlike products.
        for (var row = 0L; row < x.shape[0]; row += BlockRows)
        {
            using var scope = NewDisposeScope();
            var count = (int)Math.Min(BlockRows, x.shape[0] - row);
            var rows = tensor(nearest.AsMemory((int)row, count).ToArray(), ScalarType.Int64, CPU);
            var neighbors = y.index_select(0, rows).to(ScalarType.Float64);
            var differences = x.narrow(0, row, count).to(ScalarType.Float64) - neighbors;
            differences.square().sum([1]).data<double>().ToArray().CopyTo(least, row);
        }

        return (nearest, least);
    }

    private void ForEachBlock(Tensor x, Tensor y, Scalar scale, Action<Tensor, long, long> use)
    {
        for (var row = 0L; row < x.shape[0]; row += BlockRows)
        {
            using var rowScope = NewDisposeScope();
            var a = Centre(x, row, BlockRows);                                               // n D
            var aa = a.square().sum([1], keepdim: true).mul_(scale);                         // n 1
            for (var column = 0L; column < y.shape[0]; column += BlockColumns)
            {
                checkAlive();
                using var blockScope = NewDisposeScope();
                var b = Centre(y, column, BlockColumns);                                     // m D
                var bb = b.square().sum([1]).mul_(scale);                                    // m
                var squares = addmm(bb, a, b.t(), 1, -2).add_(aa, Numbers.One);              // n m
                use(squares.clamp_min_(Numbers.Zero), row, column);
            }
        }
    }

    private Tensor Centre(Tensor features, long start, long count) =>
        features.narrow(0, start, Math.Min(count, features.shape[0] - start)).to(ScalarType.Float64) - origin;

    private static void ForEachRow(Tensor block, long row, long column, UseRow use)
    {
        var columns = (int)block.shape[1];
        Parallel.For(0, (int)block.shape[0], i =>
        {
            var squares = MemoryMarshal.Cast<byte, double>(block.bytes).Slice(i * columns, columns);
            use((int)row + i, (int)column, squares);
        });
    }

    /// <summary>Returns the first place from a start on with a value below a bound; -1 if there is none.</summary>
    private static int FindBelow(ReadOnlySpan<double> values, double bound, int start)
    {
        var bounds = new Vector<double>(bound);
        var i = start;
        while (i <= values.Length - Vector<double>.Count && !Vector.LessThanAny(new(values[i..]), bounds))
            i += Vector<double>.Count;
        while (i < values.Length && !(values[i] < bound)) i++;
        return i < values.Length ? i : -1;
    }

    /// <summary>Inserts a value that is less than the last one into ascending values, and drops that.</summary>
    private static void Insert(Span<double> ascending, double value)
    {
        var i = ascending.Length - 1;
        for (; i > 0 && ascending[i - 1] > value; i--) ascending[i] = ascending[i - 1];
        ascending[i] = value;
    }

    /// <summary>Receives squared distances from a row of the first set to rows of the second.</summary>
    /// <param name="row">The number of the row of the first set. No other call has it at the same time.</param>
    /// <param name="column">The number of the first of the rows of the second set.</param>
    /// <param name="squares">The squared distances, to that row and those that follow.</param>
    public delegate void UseRow(int row, int column, ReadOnlySpan<double> squares);
}
