using System.Diagnostics;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>Keeps every step's loss on the device, and reads them now and then: reading waits for the device.</summary>
internal sealed class ProgressMeter(TimeSpan interval, TrainingState state) : IDisposable
{
    private const int Capacity = 1024;

    private readonly Tensor _losses = zeros(Capacity, device: state.Network.Device).DetachFromDisposeScope();
    private readonly Stopwatch _total = Stopwatch.StartNew(), _sinceReport = Stopwatch.StartNew();
    private readonly List<int> _counts = [];
    private long _images;

    /// <summary>Whether a report is due.</summary>
    public bool IsDue => _sinceReport.Elapsed >= interval;

    /// <summary>Whether the losses must be read, since there is no room for more.</summary>
    public bool IsFull => _counts.Count == Capacity;

    public double ImagesPerSecond => _images / _total.Elapsed.TotalSeconds;

    /// <summary>Takes in a step's loss, without waiting for it.</summary>
    public void Add(Tensor loss, int images)
    {
        using var scope = NewDisposeScope();
        _losses.narrow(0, _counts.Count, 1).copy_(loss.view(1));
        _counts.Add(images);
        _images += images;
    }

    /// <summary>Reads the losses since the last time into the state's averages; the last of them is the current step's.</summary>
    public float[] Read()
    {
        using var scope = NewDisposeScope();
        var losses = _losses.narrow(0, 0, _counts.Count).cpu().data<float>().ToArray();
        for (var i = 0; i < losses.Length; i++) state.Losses = state.Losses.With(losses[i], _counts[i]);
        _counts.Clear();
        return losses;
    }

    public void StartInterval() => _sinceReport.Restart();

    public void Dispose() => _losses.Dispose();
}
