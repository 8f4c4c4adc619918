using CondDiffusion.MLNet.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>
/// The kernel distance between two sets of features: the squared maximum mean discrepancy with the cubic kernel of
/// Bińkowski et al. 2018 (arXiv 1801.01401), as the mean over random subsets.
/// </summary>
internal static class KernelDistance
{
    private static readonly Scalar Three = 3.0;

    /// <summary>Computes the mean over the subsets, and their standard deviation.</summary>
    /// <param name="first">The first features, (N, D), of at least 2 rows.</param>
    /// <param name="second">The second features, (M, D), of at least 2 rows.</param>
    /// <param name="subsets">The number of subsets.</param>
    /// <param name="subsetSize">Rows of a subset; the number in the smaller set is the most that is used.</param>
    /// <param name="random">The random numbers that choose the subsets.</param>
    /// <param name="checkAlive">Called for each subset; it throws to stop the computation.</param>
    public static (double Mean, double Deviation) Between(
        Tensor first, Tensor second, int subsets, int subsetSize, Random random, Action checkAlive)
    {
        using var noGrad = no_grad();
        var m = (int)Math.Min(subsetSize, Math.Min(first.shape[0], second.shape[0]));
        var distances = new double[subsets];
        for (var i = 0; i < subsets; i++)
        {
            checkAlive();
            using var scope = NewDisposeScope();
            distances[i] = Compute(Choose(first, m, random), Choose(second, m, random));
        }

        var mean = distances.Average();
        return (mean, Math.Sqrt(distances.Average(distance => (distance - mean) * (distance - mean))));
    }

    /// <summary>Computes the unbiased estimate of the squared discrepancy of two subsets of m rows.</summary>
    private static double Compute(Tensor x, Tensor y)
    {
        // MMD_u^2 of Gretton et al. 2012 (Journal of Machine Learning Research 13), equation 3: a row is not compared
        // with itself.
        var m = x.shape[0];
        var xx = Kernel(x, x);                                                               // m m
        var yy = Kernel(y, y);
        var within = xx.sum().item<double>() - xx.trace().item<double>()
            + yy.sum().item<double>() - yy.trace().item<double>();
        return within / (m * (m - 1.0)) - 2 * Kernel(x, y).mean().item<double>();
    }

    // k(x, y) = (x . y / D + 1)^3
    private static Tensor Kernel(Tensor x, Tensor y)
    {
        Scalar size = (double)x.shape[1];
        var kernel = x.matmul(y.t()).div_(size).add_(Numbers.One, Numbers.One).pow_(Three);
        GC.KeepAlive(size);
        return kernel;
    }

    private static Tensor Choose(Tensor features, int count, Random random)
    {
        // The first steps of a Fisher-Yates shuffle.
        var rows = new long[features.shape[0]];
        for (var i = 0; i < rows.Length; i++) rows[i] = i;
        for (var i = 0; i < count; i++)
        {
            var other = random.Next(i, rows.Length);
            (rows[i], rows[other]) = (rows[other], rows[i]);
        }

        var chosen = tensor(rows.AsMemory(0, count).ToArray(), ScalarType.Int64, CPU);
        return features.index_select(0, chosen).to(ScalarType.Float64);
    }
}
