using CondDiffusion.MLNet.Imaging;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Data;

/// <summary>Shows the rows of a source.</summary>
internal sealed class RowSourceView(IRowSource source) : IDataView, IImageMaker
{
    public DataViewSchema Schema => source.Schema;

    public bool CanShuffle => true;

    public long? GetRowCount() => source.RowCount;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) =>
        new RowSourceCursor(source, columnsNeeded.Select(column => column.Index).ToHashSet(), rand);

    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    public bool MakesImages(DataViewSchema.Column column) => true;
}
