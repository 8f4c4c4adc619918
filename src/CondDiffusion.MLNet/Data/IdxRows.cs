namespace CondDiffusion.MLNet.Data;

/// <summary>
/// Holds the current row of an IDX file, read either from the file in its order or from memory in any order.
/// </summary>
internal sealed class IdxRows : IDisposable
{
    private readonly IdxFile _file;
    private readonly List<byte[]>? _rows;
    private readonly Stream? _stream;

    public IdxRows(IdxFile file, bool inMemory)
    {
        _file = file;
        if (inMemory)
            _rows = file.ReadAllRows();
        else
            _stream = file.OpenRows();
        Current = inMemory ? [] : new byte[file.RowLength];
    }

    public byte[] Current { get; private set; }

    /// <summary>
    /// Moves to a row. If the rows are not in memory, each call must name the row after the previous one.
    /// </summary>
    public void MoveTo(int row)
    {
        if (_rows is not null)
            Current = _rows[row];
        else
            _file.ReadRow(_stream!, row, Current);
    }

    public void Dispose() => _stream?.Dispose();
}
