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
    /// <param name="realRadii">Squared radius of each real row's ball, float64 (N).</param>
    /// <param name="k">The number of the neighbour that a ball reaches to.</param>
    public static NeighborScores Compute(Distances distances, Tensor generated, Tensor real, Tensor realRadii, int k)
    {
        using var scope = NewDisposeScope();
        var generatedRadii = distances.FindRadii(generated, k);                              // M
        var balls = zeros(generated.shape[0], ScalarType.Int64, CPU);                        // M
        var covered = zeros(real.shape[0], ScalarType.Bool, CPU);                            // N
        var recalled = zeros(real.shape[0], ScalarType.Bool, CPU);                           // N
        distances.ForEachBlockRoundedUp(real, generated, (block, row, column) =>
        {
            var (rows, columns) = (block.shape[0], block.shape[1]);
            var inReal = block.lt(realRadii.narrow(0, row, rows).unsqueeze(1));              // n m
            balls.narrow(0, column, columns).add_(inReal.sum([0]));
            covered.narrow(0, row, rows).logical_or_(inReal.any(1));

            var inGenerated = block.lt(generatedRadii.narrow(0, column, columns));           // n m
            recalled.narrow(0, row, rows).logical_or_(inGenerated.any(1));
        });
        return new(Mean(balls > 0), Mean(recalled), Mean(balls) / k, Mean(covered));
    }

    private static double Mean(Tensor values) => values.to(ScalarType.Float64).mean().item<double>();
}
