using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1) over one flat parameter tensor: the same few operations whatever the number
/// of layers.
/// </summary>
internal sealed class Adam(Tensor parameters, double learningRate) : IDisposable
{
    private const double Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8;

    private readonly Tensor _m = zeros_like(parameters).DetachFromDisposeScope();
    private readonly Tensor _v = zeros_like(parameters).DetachFromDisposeScope();
    private long _step;

    /// <summary>Moves the parameters by one step along <paramref name="gradient"/>.</summary>
    public void Step(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _step++;
        _m.mul_(Beta1).add_(gradient, 1 - Beta1);
        _v.mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);
        var denominator = _v.sqrt().div_(Math.Sqrt(1 - Math.Pow(Beta2, _step))).add_(Epsilon);
        parameters.addcdiv_(_m, denominator, -learningRate / (1 - Math.Pow(Beta1, _step)));
    }

    public void Dispose()
    {
        _m.Dispose();
        _v.Dispose();
    }
}
