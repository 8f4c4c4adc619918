using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Data;

/// <summary>
/// Shows an image file and a label file as the columns Image and Label. A cursor reads each row from the files when it
/// moves there.
/// </summary>
internal sealed class MnistDataView : IDataView
{
    /// <exception cref="FormatException">The two files have different numbers of rows.</exception>
    public MnistDataView(IdxFile images, IdxFile labels)
    {
        if (images.RowCount != labels.RowCount)
        {
            throw new FormatException(
                $"'{images.Path}' holds {images.RowCount} images and '{labels.Path}' holds {labels.RowCount} labels: " +
                "expected a label for every image.");
        }

        Images = images;
        Labels = labels;

        var schema = new DataViewSchema.Builder();
        schema.AddColumn("Image", new ImageDataViewType(images.RowShape[0], images.RowShape[1]));
        schema.AddColumn("Label", NumberDataViewType.UInt32);
        Schema = schema.ToSchema();
    }

    public IdxFile Images { get; }

    public IdxFile Labels { get; }

    public DataViewSchema Schema { get; }

    public bool CanShuffle => true;

    public long? GetRowCount() => Images.RowCount;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) =>
        new MnistCursor(this, [.. columnsNeeded.Select(column => column.Index)], rand);

    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}
