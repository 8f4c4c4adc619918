using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>Measures how far generated rows are copies of training rows.</summary>
/// <param name="distances">The computation of distances.</param>
/// <param name="training">The training rows, (N, D), of which there are at least 2.</param>
internal sealed class CopyDetection(Distances distances, Tensor training)
{
    private const int Cells = 3;
    private const int LeastGenerated = 20;

    /// <summary>
    /// Computes the fraction of rows that are authentic: a row g is not if it is nearer to its nearest training row x
    /// than any other training row is (Alaa et al. 2022, arXiv 2102.08921).
    /// </summary>
    public double ComputeAuthenticity(Tensor generated) =>
        Compare(generated).Average(row => row.Radius < row.Square ? 1.0 : 0);

    /// <summary>
    /// Returns, for each row, its squared distance from its nearest training row, and the squared distance of that one
    /// from its own nearest training row.
    /// </summary>
    public IReadOnlyList<(double Square, double Radius)> Compare(Tensor generated)
    {
        var (nearest, squares) = distances.FindNearest(generated, training);
        var found = nearest.Distinct().ToArray();

        using var scope = NewDisposeScope();
        var rows = training.index_select(0, tensor(found, ScalarType.Int64, CPU));
        var (_, radii) = distances.FindNearest(rows, training, excluded: found);
        var radiusOf = found.Zip(radii).ToDictionary(pair => pair.First, pair => pair.Second);
        return [.. nearest.Zip(squares, (row, square) => (square, radiusOf[row]))];
    }

    /// <summary>
    /// Computes C_T (Meehan et al. 2020, arXiv 2004.05675): whether generated rows are nearer to training
    /// rows than test rows are. The rows are divided into cells by k-means of the training rows. A cell's z is that of
    /// the Mann-Whitney test of the distances to the nearest training row of the cell, and the result is the mean over
    /// the cells that have at least 20 generated rows, weighted by their test rows.
    /// </summary>
    /// <param name="generated">The generated rows, (M, D).</param>
    /// <param name="test">The test rows, (L, D).</param>
    /// <param name="random">The random numbers of the cells.</param>
    /// <returns>The statistic; null if no cell has enough rows.</returns>
    public double? ComputeStatistic(Tensor generated, Tensor test, Random random)
    {
        using var scope = NewDisposeScope();
        var centres = KMeans.FindCentres(distances, training, Cells, random);
        var cellsOfTraining = Divide(training);
        var cellsOfGenerated = Divide(generated);
        var cellsOfTest = Divide(test);

        var (sum, weights) = (0.0, 0L);
        for (var cell = 0; cell < Cells; cell++)
        {
            using var cellScope = NewDisposeScope();
            var known = Select(training, cellsOfTraining, cell);
            var copies = Select(generated, cellsOfGenerated, cell);
            var others = Select(test, cellsOfTest, cell);
            if (copies.shape[0] < LeastGenerated || known.shape[0] == 0 || others.shape[0] == 0) continue;

            var (_, ofGenerated) = distances.FindNearest(copies, known);
            var (_, ofTest) = distances.FindNearest(others, known);
            sum += others.shape[0] * MannWhitney(ofGenerated, ofTest);
            weights += others.shape[0];
        }

        return weights > 0 ? sum / weights : null;

        Tensor Divide(Tensor rows) => tensor(distances.FindNearest(rows, centres).Rows, ScalarType.Int64, CPU);

        static Tensor Select(Tensor rows, Tensor cells, int cell) =>
            rows.index_select(0, cells.IsEqualTo(cell).nonzero().view(-1));
    }

    /// <summary>
    /// Computes the z of the Mann-Whitney test: below 0 if the first values are smaller than the second ones.
    /// </summary>
    internal static double MannWhitney(double[] first, double[] second)
    {
        // U = the number of pairs with first > second, plus half of those that are equal.
        var sorted = second.Order().ToArray();
        var u = first.Sum(value => (Below(sorted, value) + Below(sorted, Math.BitIncrement(value))) / 2.0);
        var (m, n) = ((double)first.Length, (double)second.Length);
        return (u - m * n / 2) / Math.Sqrt(m * n * (m + n + 1) / 12);
    }

    /// <summary>Counts the sorted values below a bound.</summary>
    private static int Below(double[] sorted, double bound)
    {
        var (low, high) = (0, sorted.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (sorted[middle] < bound) low = middle + 1;
            else high = middle;
        }

        return low;
    }
}
