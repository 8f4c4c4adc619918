using CondDiffusion.MLNet.Model;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Generates the images of a cursor's rows in batches. It has a cursor of its own on the same source, which starts at
/// the first row whose image is read and then reads the conditions of a whole batch of rows.
/// </summary>
internal sealed class LookAhead(ImageGenerator generator, GeneratedBindings bindings, DataViewRowCursor ahead)
    : IDisposable
{
    private readonly ConditionReader _reader = new(bindings, ahead);
    private readonly List<Condition> _batch = [];
    private ReadOnlyMemory<float>[]? _images;
    private int? _batchSize;
    private long _first; // the row of the batch's first condition
    private long _next; // the row that the cursor moves to next

    /// <summary>Returns the pixels of a row's image, and generates its batch first if necessary.</summary>
    /// <param name="row">The row's number in the order of the cursor. It never decreases from call to call.</param>
    /// <param name="condition">The condition that the other cursor read for this row.</param>
    /// <exception cref="InvalidOperationException">The two cursors do not read the same rows.</exception>
    public ReadOnlyMemory<float> ReadPixels(long row, Condition condition)
    {
        if (row >= _first + _batch.Count) ReadBatch(row);

        var index = (int)(row - _first);
        if (index >= _batch.Count || _batch[index] != condition)
        {
            throw new InvalidOperationException(
                $"Row {row}: the source gave other rows when it was read a second time, so its labels cannot be read " +
                "ahead. Cache the source first, with Data.Cache.");
        }

        _images ??= GenerateBatch();
        return _images[index];
    }

    public void Dispose() => ahead.Dispose();

    private void ReadBatch(long first)
    {
        _images = null;
        _batch.Clear();
        while (_next < first && ahead.MoveNext()) _next++;

        _first = _next;
        _batchSize ??= generator.ChooseBatchSize();
        while (_batch.Count < _batchSize && ahead.MoveNext())
        {
            _batch.Add(_reader.Read());
            _next++;
        }
    }

    /// <summary>
    /// Generates the batch, except for rows without a label: reading such a row is an error, which must not affect the
    /// others.
    /// </summary>
    private ReadOnlyMemory<float>[] GenerateBatch()
    {
        int[] labelled = [.. Enumerable.Range(0, _batch.Count).Where(i => _batch[i].Label is not null)];
        var pixels = generator.Generate([.. labelled.Select(i => _batch[i])]);

        var size = generator.Shape.Pixels;
        var images = new ReadOnlyMemory<float>[_batch.Count];
        for (var i = 0; i < labelled.Length; i++) images[labelled[i]] = pixels.AsMemory(i * size, size);
        return images;
    }
}
