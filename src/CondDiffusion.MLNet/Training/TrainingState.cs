using System.Diagnostics;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Everything that changes during a training. The order of the images follows from the seed and the epoch, the noise
/// from the seed and the step, so no generator's state belongs to it.
/// </summary>
/// <param name="network">The network, which is not disposed with the state.</param>
/// <param name="settings">The settings of the training.</param>
internal sealed class TrainingState(FlatNetwork network, TrainingSettings settings) : IDisposable
{
    /// <summary>Steps done.</summary>
    public long Step { get; set; }

    /// <summary>
    /// Whether the state is that of a whole number of steps: false after an error in the middle of an update, and
    /// while the network has averaged weights.
    /// </summary>
    public bool IsConsistent { get; private set; } = true;

    public FlatNetwork Network { get; } = network;

    public Adam Adam { get; } = settings.Optimizer switch
    {
        Optimizer.Adam => new Adam(network.Parameters),
        Optimizer.Muon => new Muon(network, settings.Type),
        _ => throw new UnreachableException($"{settings.Optimizer}"),
    };

    /// <summary>The moving averages, one for each length.</summary>
    public IReadOnlyList<MovingAverage> Averages { get; } =
        [.. settings.MovingAverageLengths.Select(length => new MovingAverage(network, length))];

    /// <summary>
    /// The number of the average with the lowest validation loss, at the last validation; the first until there is one.
    /// </summary>
    public int Best { get; set; }

    /// <summary>The step of the last validation; 0 until there is one.</summary>
    public long BestStep { get; set; }

    /// <summary>The average that the training would end with now; null for the last weights.</summary>
    public MovingAverage? Average => Averages.ElementAtOrDefault(Best);

    /// <summary>The averages of the losses so far.</summary>
    public LossAverages Losses { get; set; }

    /// <summary>Updates the parameters along a gradient, and the average after them.</summary>
    public void Advance(Tensor gradient, double learningRate)
    {
        IsConsistent = false;
        Step++;
        Adam.Step(gradient, learningRate, Step);
        foreach (var average in Averages) average.Update(Step);
        IsConsistent = true;
    }

    /// <summary>Gives the network averaged weights for as long as something is computed with them.</summary>
    public T WithAverage<T>(MovingAverage? average, Func<T> compute)
    {
        if (average is null) return compute();

        average.Swap(exchanging: () => IsConsistent = false);
        try
        {
            return compute();
        }
        finally
        {
            average.Swap();
            IsConsistent = true;
        }
    }

    /// <summary>Returns every tensor of the state, by name, as a view: writing to it writes to the state.</summary>
    public IReadOnlyList<(TensorEntry Entry, Tensor Values)> Tensors()
    {
        var tensors = new List<(TensorEntry, Tensor)>
        {
            Named("parameters", Network.Parameters.detach()),
            Named("buffers", Network.Buffers),
            Named("adam.mean", Adam.Mean),
            Named("adam.square", Adam.Square),
        };
        for (var i = 0; i < Averages.Count; i++)
        {
            tensors.Add(Named($"average{i}.parameters", Averages[i].Parameters));
            tensors.Add(Named($"average{i}.buffers", Averages[i].Buffers));
        }

        return tensors;

        static (TensorEntry, Tensor) Named(string name, Tensor values) =>
            (new(name, values.shape, TensorRole.Zero), values);
    }

    /// <summary>Frees everything but the network.</summary>
    public void Dispose()
    {
        Adam.Dispose();
        foreach (var average in Averages) average.Dispose();
    }
}
