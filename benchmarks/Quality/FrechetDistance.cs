using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>The Fréchet distance between two sets of features, each taken as a Gaussian.</summary>
internal static class FrechetDistance
{
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
        var root = (vectors * values.clamp_min(0).sqrt()).matmul(vectors.t());               // D D
        var cross = linalg.eigvalsh(root.matmul(c2).matmul(root)).clamp_min(0).sqrt().sum();
        return ((m1 - m2).square().sum() + c1.trace() + c2.trace() - 2 * cross).item<double>();
    }

    private static (Tensor Mean, Tensor Covariance) Moments(Tensor features)
    {
        var x = features.to(ScalarType.Float64);
        var mean = x.mean([0]);                                                              // D
        var centred = x - mean;
        return (mean, centred.t().matmul(centred) / (x.shape[0] - 1));                       // D D
    }
}
