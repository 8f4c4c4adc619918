using CondDiffusion.MLNet.Model;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Computes the values of a cursor's rows in batches. It has a cursor of its own on the same source, which starts at
/// the first row whose values are read and then reads the inputs of a whole batch of rows.
/// </summary>
internal sealed class LookAhead<TInput>(
    IRowComputer<TInput> computer, RowBindings<TInput> bindings, DataViewRowCursor ahead) : IDisposable
{
    private readonly IRowReader<TInput> _reader = bindings.CreateReader(ahead);
    private readonly List<(TInput? Input, bool IsRead)> _batch = [];
    private ReadOnlyMemory<float>[]? _values;
    private int? _batchSize;
    private long _first; // the row of the batch's first input
    private long _next; // the row that the cursor moves to next

    /// <summary>Returns a row's values, and computes those of its batch first if necessary.</summary>
    /// <param name="row">The row's number in the order of the cursor. It never decreases from call to call.</param>
    /// <param name="input">The input that the other cursor read for this row. Its values can be computed.</param>
    /// <exception cref="InvalidOperationException">The two cursors do not read the same rows.</exception>
    public ReadOnlyMemory<float> ReadValues(long row, TInput input)
    {
        if (row >= _first + _batch.Count) ReadBatch(row);

        var index = (int)(row - _first);
        var (read, isRead) = _batch.ElementAtOrDefault(index);
        if (!isRead || !bindings.IsSame(read!, input))
        {
            throw new InvalidOperationException(
                $"Row {row}: the source gave other rows when it was read a second time, so its rows cannot be read " +
                "ahead. Cache the source first, with Data.Cache, or save its images, with ImageFolder.Save.");
        }

        _values ??= ComputeBatch();
        return _values[index];
    }

    public void Dispose() => _reader.Dispose();

    private void ReadBatch(long first)
    {
        _values = null;
        _batch.Clear();
        while (_next < first && ahead.MoveNext()) _next++;

        _first = _next;
        _batchSize ??= computer.ChooseBatchSize();
        while (_batch.Count < _batchSize && ahead.MoveNext())
        {
            _next++;
            _batch.Add(ReadAhead());
        }
    }

    /// <summary>
    /// Reads the inputs of a row. Where that fails, the other rows are not affected: it fails again, as an error of
    /// this row, when its own values are read.
    /// </summary>
    private (TInput? Input, bool IsRead) ReadAhead()
    {
        try
        {
            return (_reader.Read(), true);
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or OutOfMemoryException))
        {
            return (default, false);
        }
    }

    /// <summary>
    /// Computes the batch, except for the rows that cannot be computed: reading such a row is an error, which must not
    /// affect the others.
    /// </summary>
    private ReadOnlyMemory<float>[] ComputeBatch()
    {
        int[] computable = [.. Enumerable.Range(0, _batch.Count).Where(CanCompute)];
        var computed = computer.Compute([.. computable.Select(i => _batch[i].Input!)]);

        var size = computer.ValuesPerRow;
        var values = new ReadOnlyMemory<float>[_batch.Count];
        for (var i = 0; i < computable.Length; i++) values[computable[i]] = computed.AsMemory(i * size, size);
        return values;

        bool CanCompute(int i) => _batch[i] is (var input, true) && bindings.CanCompute(input!);
    }
}
