using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Training;

/// <summary>Reads the batches of an epoch, each on the thread pool while the one before it is in use.</summary>
internal sealed class BatchReader(ImageStore images, UNetShape shape, int batchSize) : IDisposable
{
    private readonly Batch[] _slots = [new(shape, batchSize), new(shape, batchSize)];
    private Task? _ahead;

    /// <summary>
    /// Returns the batches of <paramref name="rows"/>, in order. A batch is valid until the one after the next is
    /// requested.
    /// </summary>
    public IEnumerable<Batch> Read(ReadOnlyMemory<int> rows)
    {
        var slot = 0;
        for (var start = 0; start < rows.Length; start += batchSize)
        {
            (_ahead ?? Fill(slot, start)).GetAwaiter().GetResult();

            var next = start + batchSize;
            _ahead = next < rows.Length ? Fill(1 - slot, next) : null;

            yield return _slots[slot];
            slot = 1 - slot;
        }

        Task Fill(int slot, int start)
        {
            var part = rows.Slice(start, Math.Min(batchSize, rows.Length - start));
            return Task.Run(() => _slots[slot].Fill(images, part.Span));
        }
    }

    public void Dispose()
    {
        // Wait would throw the reading's exception a second time.
        if (_ahead is not null) Task.WaitAny(_ahead);

        foreach (var slot in _slots) slot.Dispose();
    }
}
