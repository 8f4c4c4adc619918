namespace CondDiffusion.MLNet.Data;

/// <summary>
/// Holds the current row of an IDX file, read either from the file in its order or from memory in any order.
/// </summary>
internal sealed class IdxRows : IDisposable
{
    private readonly IdxFile _file;
    private readonly Func<int, ReadOnlyMemory<byte>>? _rows;
    private readonly Stream? _stream;
    private readonly byte[] _buffer = [];
    private ReadOnlyMemory<byte> _current;

    public IdxRows(IdxFile file, bool inMemory)
    {
        _file = file;
        if (inMemory)
        {
            _rows = file.ReadAllRows();
        }
        else
        {
            _stream = file.OpenRows();
            _buffer = new byte[file.RowLength];
        }
    }

    public ReadOnlySpan<byte> Current => _current.Span;

    /// <summary>
    /// Moves to a row. If the rows are not in memory, each call must name the row after the previous one.
    /// </summary>
    public void MoveTo(int row)
    {
        if (_rows is not null)
        {
            _current = _rows(row);
            return;
        }

        _file.ReadRow(_stream!, row, _buffer);
        _current = _buffer;
    }

    public void Dispose() => _stream?.Dispose();
}
