using CondDiffusion.MLNet.Imaging;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Augmentation;

/// <summary>
/// Shows the rows of its source, and generated ones among or after them. Nothing is generated until an image of a
/// generated row is read.
/// </summary>
internal sealed class AugmentedView(Augmenter augmenter, IDataView source) : IDataView, IImageMaker
{
    public DataViewSchema Schema => augmenter.Columns.Schema;

    public bool CanShuffle => false;

    public long? GetRowCount() => augmenter.Plan.Rows;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var needed = columnsNeeded.ToArray();
        var real = source.GetRowCursor(needed.Select(augmenter.Columns.FindReal).OfType<DataViewSchema.Column>());
        return new AugmentedCursor(augmenter, real, [.. needed.Select(column => column.Index)]);
    }

    /// <summary>Returns a single cursor: the generation already uses every core.</summary>
    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    /// <summary>Images of generated rows are always new. Those of real rows are the source's.</summary>
    public bool MakesImages(DataViewSchema.Column column) =>
        source is IImageMaker maker && augmenter.Columns.FindReal(column) is { } real && maker.MakesImages(real);
}
