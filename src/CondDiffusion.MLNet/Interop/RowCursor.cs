using Microsoft.ML;

namespace CondDiffusion.MLNet.Interop;

/// <summary>
/// Base of the library's cursors. It keeps the rules that ML.NET sets for every cursor: the position is the row's
/// number in the cursor's order, and -1 before the first row and after the last one; once MoveNext has returned false,
/// it always does; and only active columns have getters.
/// </summary>
internal abstract class RowCursor : DataViewRowCursor
{
    private long _position = -1;
    private bool _hasEnded;

    public sealed override long Position => _position;

    /// <summary>
    /// Moves to the next row. If that fails with an exception, the cursor has ended: it is on no row.
    /// </summary>
    public sealed override bool MoveNext()
    {
        if (_hasEnded) return false;

        var next = _position + 1;
        End();
        if (!TryMoveTo(next)) return false;

        _position = next;
        _hasEnded = false;
        return true;
    }

    public sealed override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) =>
        IsColumnActive(column) ? CreateGetter<TValue>(column) : throw RowErrors.Inactive(column);

    /// <summary>Moves to a row, which is the one after the current row. Returns false if there is none.</summary>
    protected abstract bool TryMoveTo(long position);

    /// <summary>Creates a getter of an active column.</summary>
    /// <exception cref="InvalidOperationException">The column's values have another type.</exception>
    protected abstract ValueGetter<TValue> CreateGetter<TValue>(DataViewSchema.Column column);

    /// <exception cref="InvalidOperationException">
    /// The cursor is before the first row or after the last one.
    /// </exception>
    protected void CheckOnRow()
    {
        if (_position < 0) throw RowErrors.NotOnRow();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) End();
        base.Dispose(disposing);
    }

    private void End()
    {
        _position = -1;
        _hasEnded = true;
    }
}
