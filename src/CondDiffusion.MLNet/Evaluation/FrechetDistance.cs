using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>The Fréchet distance between two sets of features, each taken as a Gaussian.</summary>
internal static class FrechetDistance
{
    private const int BlockRows = 8192;

    /// <summary>
    /// Computes || m_1 - m_2 ||^2 + Tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2)) in float64 (Heusel et al. 2017, arXiv 1706.08500,
    /// equation 6).
    /// </summary>
    /// <param name="first">The first features, (N, D), of at least 2 rows.</param>
    /// <param name="second">The second features, (M, D), of at least 2 rows.</param>
    public static double Between(Tensor first, Tensor second)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var (m1, c1) = Moments(first);
        var (m2, c2) = Moments(second);

        // C_1 C_2 has the eigenvalues of C_1^(1/2) C_2 C_1^(1/2), which is symmetric.
        var (values, vectors) = linalg.eigh(c1);
        var root = (vectors * values.clamp_min(Numbers.Zero).sqrt()).matmul(vectors.t());    // D D
        var cross = linalg.eigvalsh(root.matmul(c2).matmul(root)).clamp_min(Numbers.Zero).sqrt().sum();
        return (m1 - m2).square().sum().item<double>() + c1.trace().item<double>() + c2.trace().item<double>()
            - 2 * cross.item<double>();
    }

    private static (Tensor Mean, Tensor Covariance) Moments(Tensor features)
    {
        var (rows, size) = (features.shape[0], features.shape[1]);
        var mean = Distances.Mean(features);                                                 // D
        var covariance = zeros(size, size, ScalarType.Float64, CPU);                         // D D
        ForEachBlock(features, block =>
        {
            var centred = block - mean;
            covariance.add_(centred.t().matmul(centred), Numbers.One);
        });
        return (mean, covariance.Over(rows - 1));
    }

    /// <summary>Uses the features in float64, some rows at a time: all of them would take too much memory.</summary>
    private static void ForEachBlock(Tensor features, Action<Tensor> use)
    {
        for (var start = 0L; start < features.shape[0]; start += BlockRows)
        {
            using var scope = NewDisposeScope();
            var rows = Math.Min(BlockRows, features.shape[0] - start);
            use(features.narrow(0, start, rows).to(ScalarType.Float64));
        }
    }
}
