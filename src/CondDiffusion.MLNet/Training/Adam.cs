using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1) over one flat parameter tensor: the same few operations whatever the number
/// of layers.
/// </summary>
internal sealed class Adam(Tensor parameters) : IDisposable
{
    private const double Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8;

    /// <summary>The running mean of the gradient, m.</summary>
    public Tensor Mean { get; } = zeros_like(parameters).DetachFromDisposeScope();

    /// <summary>The running mean of the squared gradient, v.</summary>
    public Tensor Square { get; } = zeros_like(parameters).DetachFromDisposeScope();

    /// <summary>Moves the parameters by the <paramref name="step"/>-th step, from 1, along <paramref name="gradient"/>.</summary>
    public void Step(Tensor gradient, double learningRate, long step)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Mean.mul_(Beta1).add_(gradient, 1 - Beta1);
        Square.mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);
        var denominator = Square.sqrt().div_(Math.Sqrt(1 - Math.Pow(Beta2, step))).add_(Epsilon);
        parameters.addcdiv_(Mean, denominator, -learningRate / (1 - Math.Pow(Beta1, step)));
    }

    public void Dispose()
    {
        Mean.Dispose();
        Square.Dispose();
    }
}
