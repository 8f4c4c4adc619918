using CondDiffusion.MLNet.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1) over one flat parameter tensor: a few operations, however
/// many layers the network has.
/// </summary>
/// <param name="parameters">The parameters.</param>
/// <param name="beta1">How much of the moving average of the gradient stays in a step.</param>
internal class Adam(Tensor parameters, double beta1 = 0.9) : IDisposable
{
    private const double Beta2 = 0.999;
    private const double Epsilon = 1e-8;

    // TorchSharp may free the object that it makes of a number while libtorch reads it. These live on.
    private static readonly Scalar KeptSquare = Beta2;
    private static readonly Scalar NewSquare = 1 - Beta2;
    private static readonly Scalar LeastRoot = Epsilon;
    private readonly Scalar _keptMean = beta1;
    private readonly Scalar _newMean = 1 - beta1;

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

        Mean.mul_(_keptMean).add_(gradient, _newMean);
        Square.mul_(KeptSquare).addcmul_(gradient, gradient, NewSquare);

        using Scalar meanCorrection = 1 - Math.Pow(beta1, step);
        using Scalar rootCorrection = Math.Sqrt(1 - Math.Pow(Beta2, step));
        using Scalar factor = -learningRate;
        var root = Square.sqrt().div_(rootCorrection).add_(LeastRoot, Numbers.One);
        var direction = Mean.div(root.mul_(meanCorrection));
        Redirect(direction, gradient);
        parameters.add_(direction, factor);
    }

    public void Dispose()
    {
        Mean.Dispose();
        Square.Dispose();
        _keptMean.Dispose();
        _newMean.Dispose();
    }

    /// <summary>Changes the direction of a step, where another than Adam's is to be taken.</summary>
    /// <param name="direction">Adam's direction, flat, to be written to.</param>
    /// <param name="gradient">The gradient of the loss.</param>
    private protected virtual void Redirect(Tensor direction, Tensor gradient)
    {
    }
}
