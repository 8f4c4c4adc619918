using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): the weights of a convolution or a linear layer
/// take a step along the orthogonal matrix nearest to the average of their gradient, in which every direction counts
/// the same, rather than the few that the gradient is long in. <see cref="Adam"/> updates the other parameters.
/// </summary>
/// <param name="network">The network.</param>
/// <param name="type">Data type to find the orthogonal matrices in.</param>
internal sealed class Muon(FlatNetwork network, ScalarType type) : Adam(network.Parameters, Beta1)
{
    private const double Beta1 = 0.95;

    /// <summary>Smallest side of the matrices whose directions are worth their time.</summary>
    private const int SmallestSide = 32;

    /// <summary>
    /// Root mean square of a step's values at a learning rate of 1. A step of <see cref="Adam"/> has about half of it,
    /// so that one learning rate serves both (Liu et al. 2025, arXiv 2502.16982, section 2.2).
    /// </summary>
    private const double StepSize = 0.4;

    private static readonly Scalar KeptMean = Beta1;
    private static readonly Scalar NewMean = 1 - Beta1;
    private static readonly Scalar LeastNorm = 1e-7;

    /// <summary>
    /// Returns nearly the orthogonal matrix nearest to a matrix: its singular values are between 0.7 and 1.2, where
    /// those of the matrix are not below a thousandth of its norm. It takes five steps of a Newton-Schulz iteration
    /// with Jordan's coefficients, which grow small singular values fast.
    /// </summary>
    /// <param name="matrix">A matrix.</param>
    /// <param name="type">Data type to compute in.</param>
    public static Tensor Orthogonalize(Tensor matrix, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var isTall = matrix.shape[0] > matrix.shape[1];
        var x = (isTall ? matrix.t() : matrix).to(type);
        x = x.div(x.norm().add_(LeastNorm, Numbers.One));
        for (var i = 0; i < 5; i++)
        {
            var a = x.mm(x.t());
            var b = addmm(a, a, a, beta: -4.7750f, alpha: 2.0315f);
            x = addmm(x, b, x, beta: 3.4445f, alpha: 1);
        }

        return (isTall ? x.t() : x).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    private protected override void Redirect(Tensor direction, Tensor gradient)
    {
        var ahead = gradient.mul(NewMean).add_(Mean, KeptMean); // Nesterov's momentum
        foreach (var ((entry, values), (_, steepest)) in network.Parts(direction).Zip(network.Parts(ahead)))
        {
            var (rows, columns) = (entry.Shape[0], entry.FanIn);
            if (entry.Shape.Length == 1 || Math.Min(rows, columns) < SmallestSide) continue;

            using Scalar size = StepSize * Math.Sqrt(Math.Max(rows, columns));
            var orthogonal = Orthogonalize(steepest.view(rows, columns), type);
            values.copy_(orthogonal.to(ScalarType.Float32).mul_(size).view(entry.Shape));
        }
    }
}
