using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Augmentation;

/// <summary>Generated rows that are not yet accepted, with the columns of the augmented view.</summary>
internal sealed class GeneratedRowsView(AugmentedColumns columns, IReadOnlyList<GeneratedRow> rows) : IDataView
{
    public DataViewSchema Schema => columns.Schema;

    public bool CanShuffle => false;

    public long? GetRowCount() => rows.Count;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) =>
        new Cursor(columns, rows, [.. columnsNeeded.Select(column => column.Index)]);

    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded)];

    private sealed class Cursor(AugmentedColumns columns, IReadOnlyList<GeneratedRow> rows, HashSet<int> active)
        : RowCursor
    {
        public override DataViewSchema Schema => columns.Schema;

        public override long Batch => 0;

        public override bool IsColumnActive(DataViewSchema.Column column) => active.Contains(column.Index);

        public override ValueGetter<DataViewRowId> GetIdGetter() => (ref id) =>
        {
            CheckOnRow();
            id = new((ulong)Position, 0);
        };

        protected override bool TryMoveTo(long position) => position < rows.Count;

        protected override ValueGetter<TValue> CreateGetter<TValue>(DataViewSchema.Column column) =>
            columns.CreateGetter<TValue>(column, () => Current().Label, () => Current().Pixels);

        private GeneratedRow Current()
        {
            CheckOnRow();
            return rows[(int)Position];
        }
    }
}
