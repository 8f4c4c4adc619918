using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>k-means: Lloyd's iterations from a start by k-means++ (Arthur and Vassilvitskii 2007).</summary>
internal static class KMeans
{
    private const int MostIterations = 100;

    /// <summary>Finds the centres of cells, float64 (K, D).</summary>
    /// <param name="distances">The computation of distances.</param>
    /// <param name="rows">The rows to divide, (N, D).</param>
    /// <param name="count">The number of cells, K.</param>
    /// <param name="random">The random numbers of the start.</param>
    public static Tensor FindCentres(Distances distances, Tensor rows, int count, Random random)
    {
        using var scope = NewDisposeScope();
        var centres = ChooseStart(distances, rows, count, random);
        var previous = Array.Empty<long>();
        for (var i = 0; i < MostIterations; i++)
        {
            using var iterationScope = NewDisposeScope();
            var (cells, _) = distances.FindNearest(rows, centres);
            if (cells.AsSpan().SequenceEqual(previous)) break;

            previous = cells;
            var indexes = tensor(cells, ScalarType.Int64, CPU);
            for (var cell = 0; cell < count; cell++)
            {
                var members = rows.index_select(0, indexes.IsEqualTo(cell).nonzero().view(-1));

                // A cell that lost its rows keeps its centre.
                if (members.shape[0] > 0) centres[cell].copy_(members.mean([0], type: ScalarType.Float64));
            }
        }

        return centres.MoveToOuterDisposeScope();
    }

    /// <summary>Chooses rows, each with a probability that grows with its squared distance from those before.</summary>
    private static Tensor ChooseStart(Distances distances, Tensor rows, int count, Random random)
    {
        var centres = rows.narrow(0, random.NextInt64(rows.shape[0]), 1).to(ScalarType.Float64);
        while (centres.shape[0] < count)
        {
            var (_, squares) = distances.FindNearest(rows, centres);
            var rest = random.NextDouble() * squares.Sum();
            var chosen = 0;
            while (chosen < squares.Length - 1 && (rest -= squares[chosen]) >= 0) chosen++;
            centres = cat([centres, rows.narrow(0, chosen, 1).to(ScalarType.Float64)]);
        }

        return centres;
    }
}
