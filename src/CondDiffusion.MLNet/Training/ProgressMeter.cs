using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Keeps every step's loss on the device and reads them now and then, since reading waits for the device.
/// </summary>
internal sealed class ProgressMeter(TimeSpan interval, TrainingState state, TimeProvider clock) : IDisposable
{
    private const int Capacity = 1024;

    private readonly Tensor _losses =
        zeros(Capacity, ScalarType.Float32, state.Network.Device).DetachFromDisposeScope();

    private readonly List<int> _images = [];
    private readonly long _start = clock.GetTimestamp();
    private long _lastReport = clock.GetTimestamp();
    private long _imagesDone;

    /// <summary>Whether a report is due.</summary>
    public bool IsDue => clock.GetElapsedTime(_lastReport) >= interval;

    /// <summary>Whether the losses must be read, since there is no room for more.</summary>
    public bool IsFull => _images.Count == Capacity;

    /// <summary>Training images per second since the training began.</summary>
    public double ImagesPerSecond => _imagesDone / Math.Max(clock.GetElapsedTime(_start).TotalSeconds, 1e-9);

    /// <summary>Keeps a step's loss, without waiting for it.</summary>
    public void Add(TrainingStep step)
    {
        using var scope = NewDisposeScope();
        _losses.narrow(0, _images.Count, 1).copy_(step.Loss.view(1));
        _images.Add(step.Images);
        _imagesDone += step.Images;
    }

    /// <summary>
    /// Moves the losses since the last reading into the state's averages. The last of them is the current step's.
    /// </summary>
    public float[] Read()
    {
        using var scope = NewDisposeScope();
        var losses = _losses.narrow(0, 0, _images.Count).cpu().data<float>().ToArray();
        for (var i = 0; i < losses.Length; i++) state.Losses = state.Losses.With(losses[i], _images[i]);
        _images.Clear();
        return losses;
    }

    /// <summary>Begins the interval until the next report.</summary>
    public void StartInterval() => _lastReport = clock.GetTimestamp();

    public void Dispose() => _losses.Dispose();
}
