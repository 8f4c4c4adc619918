using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// An exponential moving average of a network's parameters and of its batch-norm statistics, which generates better pictures than the
/// parameters themselves (Song and Ermon 2020, arXiv 2006.09011, section 3.4).
/// </summary>
/// <param name="network">What to average.</param>
/// <param name="decay">
/// What the average keeps of itself at each step, once it has warmed up: step n keeps at most (1 + n) / (10 + n), so that the random
/// initial weights are soon forgotten.
/// </param>
internal sealed class MovingAverage(ConditionalUNet network, double decay) : IDisposable
{
    private readonly Tensor _parameters = Copy(network.Parameters);
    private readonly Tensor _buffers = Copy(network.Buffers);
    private long _step;

    /// <summary>Takes in the network as it is after a step.</summary>
    public void Update()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _step++;
        var weight = 1 - Math.Min(decay, (1.0 + _step) / (10 + _step));
        _parameters.lerp_(network.Parameters, weight);
        _buffers.lerp_(network.Buffers, weight);
    }

    /// <summary>Gives the network the averages.</summary>
    public void CopyToNetwork()
    {
        using var noGrad = no_grad();
        network.Parameters.copy_(_parameters);
        network.Buffers.copy_(_buffers);
    }

    public void Dispose()
    {
        _parameters.Dispose();
        _buffers.Dispose();
    }

    private static Tensor Copy(Tensor values)
    {
        using var noGrad = no_grad();
        return values.clone().DetachFromDisposeScope();
    }
}
