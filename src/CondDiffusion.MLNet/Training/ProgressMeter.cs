using System.Diagnostics;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>Keeps every step's loss on the device, and reads them now and then: reading waits for the device.</summary>
internal sealed class ProgressMeter(TimeSpan interval, Device device) : IDisposable
{
    private const int Capacity = 1024;
    private const double Smoothing = 0.98;

    private readonly Tensor _losses = zeros(Capacity, device: device).DetachFromDisposeScope();
    private readonly Stopwatch _total = Stopwatch.StartNew(), _sinceReport = Stopwatch.StartNew();
    private readonly List<int> _counts = [];
    private double _epochSum, _smoothed, _smoothingWeight;
    private long _epochImages, _images;

    /// <summary>Whether a report is due, or the losses must be read since there is no room for more.</summary>
    public bool IsDue => _sinceReport.Elapsed >= interval || _counts.Count == Capacity;

    /// <summary>Mean loss of the epoch's images so far.</summary>
    public double MeanLoss => _epochSum / _epochImages;

    /// <summary>Exponential moving average of the losses, without the pull of its start.</summary>
    public double SmoothedLoss => _smoothed / _smoothingWeight;

    public double ImagesPerSecond => _images / _total.Elapsed.TotalSeconds;

    /// <summary>Takes in a step's loss, without waiting for it.</summary>
    public void Add(Tensor loss, int images)
    {
        using var scope = NewDisposeScope();
        _losses.narrow(0, _counts.Count, 1).copy_(loss.view(1));
        _counts.Add(images);
    }

    /// <summary>Reads the losses since the last time; the last of them is the current step's.</summary>
    public float[] Read()
    {
        using var scope = NewDisposeScope();
        var losses = _losses.narrow(0, 0, _counts.Count).cpu().data<float>().ToArray();
        for (var i = 0; i < losses.Length; i++)
        {
            _epochSum += (double)losses[i] * _counts[i];
            _epochImages += _counts[i];
            _images += _counts[i];
            _smoothed = Smoothing * _smoothed + (1 - Smoothing) * losses[i];
            _smoothingWeight = Smoothing * _smoothingWeight + (1 - Smoothing);
        }
        _counts.Clear();
        _sinceReport.Restart();
        return losses;
    }

    public void StartEpoch() => (_epochSum, _epochImages) = (0, 0);

    public void Dispose() => _losses.Dispose();
}
