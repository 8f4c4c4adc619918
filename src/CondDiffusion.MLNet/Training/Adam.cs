using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1) over one flat parameter tensor: a few operations, however
/// many layers the network has.
/// </summary>
internal sealed class Adam(Tensor parameters) : IDisposable
{
    private const double Beta1 = 0.9;
    private const double Beta2 = 0.999;
    private const double Epsilon = 1e-8;

    // TorchSharp may free the object that it makes of a number while libtorch reads it. These live on.
    private static readonly Scalar KeptMean = Beta1;
    private static readonly Scalar KeptSquare = Beta2;
    private static readonly Scalar NewMean = 1 - Beta1;
    private static readonly Scalar NewSquare = 1 - Beta2;
    private static readonly Scalar LeastRoot = Epsilon;

    /// <summary>The moving average of the gradient, m.</summary>
    public Tensor Mean { get; } = zeros_like(parameters).DetachFromDisposeScope();

    /// <summary>The moving average of the squared gradient, v.</summary>
    public Tensor Square { get; } = zeros_like(parameters).DetachFromDisposeScope();

    /// <summary>Updates the parameters along <paramref name="gradient"/>.</summary>
    /// <param name="gradient">The gradient of the loss.</param>
    /// <param name="learningRate">The step's learning rate.</param>
    /// <param name="step">The number of the step, from 1.</param>
    public void Step(Tensor gradient, double learningRate, long step)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();

        Mean.mul_(KeptMean).add_(gradient, NewMean);
        Square.mul_(KeptSquare).addcmul_(gradient, gradient, NewSquare);

        using Scalar correction = Math.Sqrt(1 - Math.Pow(Beta2, step));
        using Scalar factor = -learningRate / (1 - Math.Pow(Beta1, step));
        var denominator = Square.sqrt().div_(correction).add_(LeastRoot);
        parameters.addcdiv_(Mean, denominator, factor);
    }

    public void Dispose()
    {
        Mean.Dispose();
        Square.Dispose();
    }
}
