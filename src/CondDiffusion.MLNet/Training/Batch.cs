using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>Some images, their labels and their weights, in memory that is filled again and again.</summary>
/// <param name="imageSize">Channels, height and width of an image.</param>
/// <param name="size">The most images that it can hold.</param>
internal sealed class Batch(long[] imageSize, int size) : IDisposable
{
    private readonly Tensor _images =
        empty([size, .. imageSize], ScalarType.Float32, CPU).DetachFromDisposeScope();

    private readonly Tensor _labels = empty(size, ScalarType.Int64, CPU).DetachFromDisposeScope();
    private readonly Tensor _weights = empty(size, ScalarType.Float32, CPU).DetachFromDisposeScope();
    private readonly int _pixels = (int)(imageSize[0] * imageSize[1] * imageSize[2]);

    /// <summary>The number of images that it holds.</summary>
    public int Count { get; private set; }

    /// <summary>
    /// Copies the images (Count, C, H, W) and the labels (Count) to a device, in the caller's dispose scope.
    /// </summary>
    public (Tensor Images, Tensor Labels) To(Device device) =>
        (_images.narrow(0, 0, Count).to(device), _labels.narrow(0, 0, Count).to(device));

    /// <summary>Copies the weights (Count) to a device, in the caller's dispose scope.</summary>
    public Tensor WeightsTo(Device device) => _weights.narrow(0, 0, Count).to(device);

    /// <summary>Reads rows of a store.</summary>
    public void Fill(ImageStore store, ReadOnlySpan<int> rows)
    {
        Count = rows.Length;
        var images = MemoryMarshal.Cast<byte, float>(_images.bytes);
        var labels = MemoryMarshal.Cast<byte, long>(_labels.bytes);
        var weights = MemoryMarshal.Cast<byte, float>(_weights.bytes);
        for (var i = 0; i < rows.Length; i++)
        {
            labels[i] = store.Read(rows[i], images.Slice(i * _pixels, _pixels));
            weights[i] = store.Weight(rows[i]);
        }
    }

    public void Dispose()
    {
        _images.Dispose();
        _labels.Dispose();
        _weights.Dispose();
    }
}
