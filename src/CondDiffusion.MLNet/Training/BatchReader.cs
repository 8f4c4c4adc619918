namespace CondDiffusion.MLNet.Training;

/// <summary>Reads the batches of an epoch, each on the thread pool while the one before it is in use.</summary>
internal sealed class BatchReader(ImageStore images, long[] imageSize, int batchSize) : IDisposable
{
    private readonly Batch[] _slots = CreateSlots(imageSize, batchSize);
    private Task? _ahead;

    /// <summary>
    /// Returns the batches of <paramref name="rows"/>, in order. A batch is valid until the next one is requested.
    /// </summary>
    public IEnumerable<Batch> Read(ReadOnlyMemory<int> rows)
    {
        var slot = 0;
        var rest = rows;
        while (!rest.IsEmpty)
        {
            (_ahead ?? Fill(slot, rest)).GetAwaiter().GetResult();

            rest = rest[Math.Min(batchSize, rest.Length)..];
            _ahead = rest.IsEmpty ? null : Fill(1 - slot, rest);

            yield return _slots[slot];
            slot = 1 - slot;
        }

        Task Fill(int slot, ReadOnlyMemory<int> rest)
        {
            var part = rest[..Math.Min(batchSize, rest.Length)];
            return Task.Run(() => _slots[slot].Fill(images, part.Span));
        }
    }

    public void Dispose()
    {
        // Wait would throw the reading's exception a second time.
        if (_ahead is not null) Task.WaitAny(_ahead);

        foreach (var slot in _slots) slot.Dispose();
    }

    /// <exception cref="InvalidOperationException">A batch takes more than 2 GB.</exception>
    private static Batch[] CreateSlots(long[] imageSize, int batchSize)
    {
        var pixels = imageSize[0] * imageSize[1] * imageSize[2];
        if (batchSize * pixels > int.MaxValue / sizeof(float))
        {
            throw new InvalidOperationException(
                $"A batch of {batchSize} images with {pixels} values each takes more than 2 GB. " +
                "Choose a smaller BatchSize.");
        }

        return [new(imageSize, batchSize), new(imageSize, batchSize)];
    }
}
