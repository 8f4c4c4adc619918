using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// A moving average of a network's parameters and batch-norm statistics whose length grows with the training (Karras et
/// al. 2024, arXiv 2312.02696, section 3.1 and appendix C). After n steps, the values after step k have a weight
/// proportional to k^gamma, or nearly so.
/// </summary>
internal sealed class MovingAverage : IDisposable
{
    /// <summary>The least length.</summary>
    public const double Shortest = 0.001;

    /// <summary>The largest length: that of the mean of all steps is 0.2887.</summary>
    public const double Longest = 0.28;

    private readonly FlatNetwork _network;
    private readonly double _gamma;

    /// <param name="network">The network.</param>
    /// <param name="length">
    /// Standard deviation of the weights' profile over the steps, as a fraction of their number.
    /// </param>
    public MovingAverage(FlatNetwork network, double length)
    {
        _network = network;
        _gamma = FindGamma(length);
        using var noGrad = no_grad();
        Parameters = network.Parameters.clone().DetachFromDisposeScope();
        Buffers = network.Buffers.clone().DetachFromDisposeScope();
    }

    /// <summary>The average of <see cref="FlatNetwork.Parameters"/>.</summary>
    public Tensor Parameters { get; }

    /// <summary>The average of <see cref="FlatNetwork.Buffers"/>.</summary>
    public Tensor Buffers { get; }

    /// <summary>Adds the network's values after the <paramref name="step"/>-th step, from 1, to the averages.</summary>
    public void Update(long step)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var fraction = 1 - Math.Pow(1 - 1.0 / step, _gamma + 1);
        var weight = tensor(fraction, ScalarType.Float64, Parameters.device);
        Parameters.lerp_(_network.Parameters, weight);
        Buffers.lerp_(_network.Buffers, weight);
    }

    /// <summary>Exchanges the averages and the network's own values; a second call undoes that.</summary>
    /// <param name="exchanging">Called after the copies are made, and before anything is exchanged.</param>
    public void Swap(Action? exchanging = null)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();

        // Copies first: if there is no memory for them, nothing has been exchanged.
        var parameters = _network.Parameters.detach().clone();
        var buffers = _network.Buffers.clone();
        exchanging?.Invoke();
        _network.Parameters.copy_(Parameters);
        _network.Buffers.copy_(Buffers);
        Parameters.copy_(parameters);
        Buffers.copy_(buffers);
    }

    /// <summary>Gives the network the averages, which needs no memory. Its own values are lost.</summary>
    public void CopyToNetwork()
    {
        using var noGrad = no_grad();
        _network.Parameters.copy_(Parameters);
        _network.Buffers.copy_(Buffers);
    }

    public void Dispose()
    {
        Parameters.Dispose();
        Buffers.Dispose();
    }

    /// <summary>
    /// Returns the gamma whose profile has a standard deviation of <paramref name="length"/>: the solution of
    /// length^2 = (gamma + 1) / ((gamma + 2)^2 (gamma + 3)), whose right side falls with gamma.
    /// </summary>
    private static double FindGamma(double length)
    {
        var low = 0.0;
        var high = 2 / length;
        for (var i = 0; i < 100; i++)
        {
            var gamma = (low + high) / 2;
            var variance = (gamma + 1) / ((gamma + 2) * (gamma + 2) * (gamma + 3));
            if (variance > length * length) low = gamma;
            else high = gamma;
        }

        return low;
    }
}
