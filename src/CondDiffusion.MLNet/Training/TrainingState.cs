using CondDiffusion.MLNet.Network;

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

    /// <summary>Frees all but the network.</summary>
    public void Dispose()
    {
        Adam.Dispose();
        Average?.Dispose();
    }
}
