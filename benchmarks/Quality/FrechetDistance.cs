using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>How far apart two sets of features are, each taken for a Gaussian.</summary>
internal static class FrechetDistance
{
    /// <summary>|| m_1 - m_2 ||^2 + Tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2)) (Heusel et al. 2017, arXiv 1706.08500, equation 6), in float64.</summary>
    /// <param name="first">Features, (N, D); at least 2 rows.</param>
    /// <param name="second">Features, (M, D); at least 2 rows.</param>
    public static double Between(Tensor first, Tensor second)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var ((m1, c1), (m2, c2)) = (Moments(first), Moments(second));

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
