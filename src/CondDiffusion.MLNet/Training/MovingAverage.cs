using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// An exponential moving average of a network's parameters and batch-norm statistics, which generates better images
/// than the parameters themselves (Song and Ermon 2020, arXiv 2006.09011, section 3.4).
/// </summary>
/// <param name="network">The network.</param>
/// <param name="decay">
/// The fraction of itself that the average keeps at each step after its warm-up. Step n keeps at most (1 + n) / (10 +
/// n), so that the random initial weights are soon forgotten.
/// </param>
internal sealed class MovingAverage(FlatNetwork network, double decay) : IDisposable
{
    /// <summary>The average of <see cref="FlatNetwork.Parameters"/>.</summary>
    public Tensor Parameters { get; } = Copy(network.Parameters);

    /// <summary>The average of <see cref="FlatNetwork.Buffers"/>.</summary>
    public Tensor Buffers { get; } = Copy(network.Buffers);

    /// <summary>Adds the network's values after the <paramref name="step"/>-th step, from 1, to the averages.</summary>
    public void Update(long step)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var fraction = 1 - Math.Min(decay, (1.0 + step) / (10 + step));
        var weight = tensor(fraction, ScalarType.Float64, Parameters.device);
        Parameters.lerp_(network.Parameters, weight);
        Buffers.lerp_(network.Buffers, weight);
    }

    /// <summary>Exchanges the averages and the network's own values; a second call undoes that.</summary>
    public void Swap()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();

        // Copies first: if there is no memory for them, nothing has been exchanged.
        var parameters = network.Parameters.detach().clone();
        var buffers = network.Buffers.clone();
        network.Parameters.copy_(Parameters);
        network.Buffers.copy_(Buffers);
        Parameters.copy_(parameters);
        Buffers.copy_(buffers);
    }

    public void Dispose()
    {
        Parameters.Dispose();
        Buffers.Dispose();
    }

    private static Tensor Copy(Tensor values)
    {
        using var noGrad = no_grad();
        return values.clone().DetachFromDisposeScope();
    }
}
