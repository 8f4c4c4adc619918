using System.Numerics;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>
/// How far two sets of features cover each other, by balls that reach from each row to its k-th nearest neighbour in
/// its own set. A row on the surface of a ball is outside.
/// </summary>
/// <param name="Precision">Fraction of the generated rows in the ball of any real row.</param>
/// <param name="Recall">Fraction of the real rows in the ball of any generated row.</param>
/// <param name="Density">Mean number of balls of real rows that a generated row is in, divided by k.</param>
/// <param name="Coverage">Fraction of the balls of real rows that contain any generated row.</param>
internal sealed record NeighborScores(double Precision, double Recall, double Density, double Coverage)
{
    /// <summary>
    /// Computes precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991, equations 1 and 2), density and
    /// coverage (Naeem et al. 2020, arXiv 2002.09797, section 3).
    /// </summary>
    /// <param name="distances">The computation of distances.</param>
    /// <param name="generated">The generated rows, (M, D).</param>
    /// <param name="real">The real rows, (N, D).</param>
    /// <param name="realRadii">Squared radius of each real row's ball.</param>
    /// <param name="k">The number of the neighbour that a ball reaches to.</param>
    public static NeighborScores Compute(
        Distances distances, Tensor generated, Tensor real, double[] realRadii, int k)
    {
        var generatedRadii = distances.FindRadii(generated, k);
        using var balls = new ThreadLocal<long[]>(() => new long[generatedRadii.Length], trackAllValues: true);
        var covered = new bool[realRadii.Length];
        var recalled = new bool[realRadii.Length];
        distances.ForEachRowRoundedUp(real, generated, (row, column, squares) =>
        {
            covered[row] |= CountBelow(squares, realRadii[row], balls.Value!.AsSpan(column, squares.Length));
            recalled[row] |= IsAnyBelow(squares, generatedRadii.AsSpan(column, squares.Length));
        });

        // The number of real rows' balls that each generated row is in.
        var sums = new long[generatedRadii.Length];
        foreach (var counts in balls.Values)
        {
            for (var i = 0; i < sums.Length; i++) sums[i] += counts[i];
        }

        return new(
            sums.Average(count => count > 0 ? 1.0 : 0),
            recalled.Average(isRecalled => isRecalled ? 1.0 : 0),
            sums.Average() / k,
            covered.Average(isCovered => isCovered ? 1.0 : 0));
    }

    /// <summary>Adds 1 to the counts of values below a bound, and returns whether there are any.</summary>
    private static bool CountBelow(ReadOnlySpan<double> values, double bound, Span<long> counts)
    {
        var bounds = new Vector<double>(bound);
        var any = Vector<long>.Zero;
        var i = 0;
        for (; i <= values.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            // Each is -1 where it is true.
            var below = Vector.LessThan(new(values[i..]), bounds);
            any |= below;
            (new Vector<long>(counts[i..]) - below).CopyTo(counts[i..]);
        }

        var found = any != Vector<long>.Zero;
        for (; i < values.Length; i++)
        {
            if (!(values[i] < bound)) continue;
            found = true;
            counts[i]++;
        }

        return found;
    }

    /// <summary>Returns whether any value is below its bound.</summary>
    private static bool IsAnyBelow(ReadOnlySpan<double> values, ReadOnlySpan<double> bounds)
    {
        var i = 0;
        for (; i <= values.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            if (Vector.LessThanAny(new Vector<double>(values[i..]), new(bounds[i..]))) return true;
        }

        for (; i < values.Length; i++)
        {
            if (values[i] < bounds[i]) return true;
        }

        return false;
    }
}
