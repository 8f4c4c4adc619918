using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>Assembles the batches of an epoch, each while the one before it is in use.</summary>
internal sealed class BatchReader(ImageStore images, UNetShape shape, int batchSize) : IDisposable
{
    private readonly Batch[] _slots = [new(shape, batchSize), new(shape, batchSize)];
    private Task? _ahead;

    /// <summary>The batches of <paramref name="rows"/>, in order. A batch is good until the next but one is asked for.</summary>
    public IEnumerable<Batch> Read(ReadOnlyMemory<int> rows)
    {
        for (var (start, slot) = (0, 0); start < rows.Length; start += batchSize, slot = 1 - slot)
        {
            (_ahead ?? Fill(slot, start)).GetAwaiter().GetResult();
            _ahead = start + batchSize < rows.Length ? Fill(1 - slot, start + batchSize) : null;
            yield return _slots[slot];
        }

        Task Fill(int slot, int start) =>
            Task.Run(() => _slots[slot].Fill(images, rows.Slice(start, Math.Min(batchSize, rows.Length - start)).Span));
    }

    public void Dispose()
    {
        if (_ahead is not null) Task.WaitAny(_ahead); // Wait would throw what the reading threw, once more
        foreach (var slot in _slots) slot.Dispose();
    }

    /// <summary>Some images and their labels.</summary>
    internal sealed class Batch(UNetShape shape, int size) : IDisposable
    {
        private readonly Tensor _images = empty(size, shape.Channels, shape.Height, shape.Width, ScalarType.Float32, CPU).DetachFromDisposeScope();
        private readonly Tensor _labels = empty(size, ScalarType.Int64, CPU).DetachFromDisposeScope();

        /// <summary>Images in it.</summary>
        public int Count { get; private set; }

        /// <summary>Images (Count, C, H, W) and labels (Count) on a device, in the caller's dispose scope.</summary>
        public (Tensor Images, Tensor Labels) To(Device device) =>
            (_images.narrow(0, 0, Count).to(device), _labels.narrow(0, 0, Count).to(device));

        public void Fill(ImageStore store, ReadOnlySpan<int> rows)
        {
            Count = rows.Length;
            var images = MemoryMarshal.Cast<byte, float>(_images.bytes);
            var labels = MemoryMarshal.Cast<byte, long>(_labels.bytes);
            for (var i = 0; i < rows.Length; i++) labels[i] = store.Read(rows[i], images.Slice(i * shape.Pixels, shape.Pixels));
        }

        public void Dispose()
        {
            _images.Dispose();
            _labels.Dispose();
        }
    }
}
