using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>A view whose label column has keys beyond the number that its type states.</summary>
internal sealed class FewerKeys : IDataView
{
    private readonly IDataView _rows;

    public FewerKeys(IDataView rows, ulong count)
    {
        _rows = rows;
        var schema = new DataViewSchema.Builder();
        foreach (var column in rows.Schema)
        {
            var isKey = column.Type is KeyDataViewType;
            schema.AddColumn(column.Name, isKey ? new KeyDataViewType(typeof(uint), count) : column.Type);
        }

        Schema = schema.ToSchema();
    }

    public bool CanShuffle => false;

    public DataViewSchema Schema { get; }

    public long? GetRowCount() => null;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) =>
        new Cursor(this, _rows.GetRowCursor(columnsNeeded.Select(column => _rows.Schema[column.Index])));

    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    private sealed class Cursor(FewerKeys view, DataViewRowCursor rows) : DataViewRowCursor
    {
        public override long Position => rows.Position;

        public override long Batch => rows.Batch;

        public override DataViewSchema Schema => view.Schema;

        public override bool MoveNext() => rows.MoveNext();

        public override bool IsColumnActive(DataViewSchema.Column column) =>
            rows.IsColumnActive(rows.Schema[column.Index]);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) =>
            rows.GetGetter<TValue>(rows.Schema[column.Index]);

        public override ValueGetter<DataViewRowId> GetIdGetter() => rows.GetIdGetter();
    }
}
