using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>Moves an <see cref="AddedColumnsRow{TInput}"/> over the rows of the source.</summary>
internal sealed class AddedColumnsCursor<TInput> : RowCursor
{
    private readonly DataViewRowCursor _rows;
    private readonly AddedColumnsRow<TInput> _row;
    private readonly LookAhead<TInput>? _ahead;

    // All added columns of a row share its values, for which the row is read and checked once.
    private ReadOnlyMemory<float> _values;
    private long _valuesPosition = -1;

    /// <param name="bindings">The columns of the input and of the output.</param>
    /// <param name="rows">The cursor on the source. It is disposed with this cursor.</param>
    /// <param name="ahead">
    /// The values of the rows; null if no added column is needed. It is disposed with this cursor.
    /// </param>
    /// <param name="needed">The output columns to read.</param>
    public AddedColumnsCursor(
        RowBindings<TInput> bindings,
        DataViewRowCursor rows,
        LookAhead<TInput>? ahead,
        DataViewSchema.Column[] needed)
    {
        _rows = rows;
        _row = new(bindings, rows, needed, Compute);
        _ahead = ahead;
    }

    public override DataViewSchema Schema => _row.Schema;

    public override long Batch => _row.Batch;

    public override ValueGetter<DataViewRowId> GetIdGetter() => _row.GetIdGetter();

    public override bool IsColumnActive(DataViewSchema.Column column) => _row.IsColumnActive(column);

    protected override bool TryMoveTo(long position) => _rows.MoveNext();

    protected override ValueGetter<TValue> CreateGetter<TValue>(DataViewSchema.Column column) =>
        _row.GetGetter<TValue>(column);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _row.Dispose();
            _ahead?.Dispose();
        }

        base.Dispose(disposing);
    }

    private ReadOnlyMemory<float> Compute(AddedColumnsRow<TInput> row)
    {
        CheckOnRow();
        if (_valuesPosition != Position)
        {
            _values = _ahead!.ReadValues(Position, row.ReadInput());
            _valuesPosition = Position;
        }

        return _values;
    }
}
