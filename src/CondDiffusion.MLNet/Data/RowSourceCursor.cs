using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Data;

/// <summary>
/// Reads the rows of a source: in the source's order, or in a random order if it is given a <see cref="Random"/>.
/// </summary>
internal sealed class RowSourceCursor : RowCursor
{
    private readonly IRowSource _source;
    private readonly IReadOnlySet<int> _columns;
    private readonly ICurrentRow _row;
    private readonly int[]? _order;

    public RowSourceCursor(IRowSource source, IReadOnlySet<int> columns, Random? random)
    {
        _source = source;
        _columns = columns;
        _row = source.Open(columns, inAnyOrder: random is not null);
        if (random is null) return;

        _order = [.. Enumerable.Range(0, source.RowCount)];
        random.Shuffle(_order);
    }

    public override DataViewSchema Schema => _source.Schema;

    public override long Batch => 0;

    public override bool IsColumnActive(DataViewSchema.Column column) => _columns.Contains(column.Index);

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref id) =>
    {
        CheckOnRow();
        id = new DataViewRowId((ulong)SourceRow(Position), 0);
    };

    protected override bool TryMoveTo(long position)
    {
        if (position == _source.RowCount) return false;

        _row.MoveTo(SourceRow(position));
        return true;
    }

    protected override ValueGetter<TValue> CreateGetter<TValue>(DataViewSchema.Column column)
    {
        var getter = _row.CreateGetter(column.Index) as ValueGetter<TValue>
            ?? throw RowErrors.WrongType(column, typeof(TValue));
        return (ref value) =>
        {
            CheckOnRow();
            getter(ref value);
        };
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _row.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Returns the index in the source of the row at a position. It is also the row's id.</summary>
    private int SourceRow(long position) => _order?[position] ?? (int)position;
}
