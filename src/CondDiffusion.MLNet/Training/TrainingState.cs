using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// All that changes in a training. The order of the images follows from the seed and the epoch, the noise from the seed and the step, so no
/// generator's state belongs to it.
/// </summary>
internal sealed class TrainingState(ConditionalUNet network, double movingAverageDecay) : IDisposable
{
    /// <summary>Steps done.</summary>
    public long Step { get; set; }

    public ConditionalUNet Network { get; } = network;

    public Adam Adam { get; } = new(network.Parameters);

    /// <summary>Null where the decay is 0.</summary>
    public MovingAverage? Average { get; } = movingAverageDecay > 0 ? new(network, movingAverageDecay) : null;

    /// <summary>Every tensor of the state, by name.</summary>
    public IEnumerable<(string Name, Tensor Values)> Tensors()
    {
        yield return ("parameters", Network.Parameters);
        yield return ("buffers", Network.Buffers);
        yield return ("adam.mean", Adam.Mean);
        yield return ("adam.square", Adam.Square);
        if (Average is null) yield break;
        yield return ("average.parameters", Average.Parameters);
        yield return ("average.buffers", Average.Buffers);
    }

    /// <summary>Frees all but the network.</summary>
    public void Dispose()
    {
        Adam.Dispose();
        Average?.Dispose();
    }
}
