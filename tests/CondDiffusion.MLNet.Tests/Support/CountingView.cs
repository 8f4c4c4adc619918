using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Shows another view, and counts its open cursors. Its rows can have other ids.</summary>
internal sealed class CountingView(IDataView source) : IDataView
{
    /// <summary>The number of cursors that are open now.</summary>
    public int Open { get; private set; }

    /// <summary>The number of cursors that were opened.</summary>
    public int Opened { get; private set; }

    /// <summary>The number of cursors that can be opened before opening one fails.</summary>
    public int Most { get; init; } = int.MaxValue;

    /// <summary>The upper half of the rows' ids, whose lower half is that of the other view.</summary>
    public ulong UpperId { get; init; }

    public DataViewSchema Schema => source.Schema;

    public bool CanShuffle => source.CanShuffle;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        if (Opened == Most) throw new IOException("no more cursors");
        Opened++;
        Open++;
        return new Cursor(source.GetRowCursor(columnsNeeded, rand), UpperId, () => Open--);
    }

    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    private sealed class Cursor(DataViewRowCursor cursor, ulong upperId, Action close) : DataViewRowCursor
    {
        private bool _isClosed;

        public override long Position => cursor.Position;

        public override long Batch => cursor.Batch;

        public override DataViewSchema Schema => cursor.Schema;

        public override ValueGetter<DataViewRowId> GetIdGetter()
        {
            var getter = cursor.GetIdGetter();
            return (ref id) =>
            {
                getter(ref id);
                id = new(id.Low, upperId);
            };
        }

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) =>
            cursor.GetGetter<TValue>(column);

        public override bool IsColumnActive(DataViewSchema.Column column) => cursor.IsColumnActive(column);

        public override bool MoveNext() => cursor.MoveNext();

        protected override void Dispose(bool disposing)
        {
            if (disposing && !_isClosed)
            {
                _isClosed = true;
                close();
                cursor.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
