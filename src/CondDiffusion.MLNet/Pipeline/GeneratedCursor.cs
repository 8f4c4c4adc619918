using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>Moves a <see cref="GeneratedRow"/> over the rows of the source.</summary>
internal sealed class GeneratedCursor : RowCursor
{
    private readonly DataViewRowCursor _rows;
    private readonly GeneratedRow _row;
    private readonly LookAhead? _images;

    /// <param name="bindings">The columns of the input and of the output.</param>
    /// <param name="rows">The cursor on the source. It is disposed with this cursor.</param>
    /// <param name="images">
    /// The images of the rows; null if no generated column is needed. It is disposed with this cursor.
    /// </param>
    /// <param name="needed">The output columns to read.</param>
    public GeneratedCursor(
        GeneratedBindings bindings, DataViewRowCursor rows, LookAhead? images, DataViewSchema.Column[] needed)
    {
        _rows = rows;
        _row = new(bindings, rows, needed, Generate);
        _images = images;
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
            _images?.Dispose();
        }

        base.Dispose(disposing);
    }

    private ReadOnlyMemory<float> Generate(GeneratedRow row)
    {
        CheckOnRow();
        return _images!.ReadPixels(Position, row.ReadCondition());
    }
}
