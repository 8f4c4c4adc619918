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
    /// <summary>The averaged <see cref="ConditionalUNet.Parameters"/>.</summary>
    public Tensor Parameters { get; } = Copy(network.Parameters);

    /// <summary>The averaged <see cref="ConditionalUNet.Buffers"/>.</summary>
    public Tensor Buffers { get; } = Copy(network.Buffers);

    /// <summary>Takes in the network as it is after the <paramref name="step"/>-th step, from 1.</summary>
    public void Update(long step)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var weight = 1 - Math.Min(decay, (1.0 + step) / (10 + step));
        Parameters.lerp_(network.Parameters, weight);
        Buffers.lerp_(network.Buffers, weight);
    }

    /// <summary>Gives the network the averages and keeps its own values in their place; a second call takes that back.</summary>
    public void Swap()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        foreach (var (mine, theirs) in new[] { (Parameters, network.Parameters), (Buffers, network.Buffers) })
        {
            var kept = theirs.detach().clone();
            theirs.copy_(mine);
            mine.copy_(kept);
        }
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
