using CondDiffusion.MLNet.Imaging;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Adds a column of float vectors to rows with images of one size. (ML.NET's ExtractPixels reads MLImage.Pixels, which
/// does not work beside SkiaSharp 3 and later.)
/// </summary>
internal sealed class NormalizedDataView : IDataView
{
    private readonly IDataView _source;
    private readonly DataViewSchema.Column _image;
    private readonly ImageShape _shape;

    /// <param name="source">The rows with the images.</param>
    /// <param name="column">Name of the column of images. The added column has the same name, and hides it.</param>
    /// <param name="shape">Shape of the images and of the vectors.</param>
    public NormalizedDataView(IDataView source, string column, ImageShape shape)
    {
        _source = source;
        _image = source.Schema[column];
        _shape = shape;

        var builder = new DataViewSchema.Builder();
        builder.AddColumns(source.Schema);
        builder.AddColumn(
            column, new VectorDataViewType(NumberDataViewType.Single, shape.Channels, shape.Height, shape.Width));
        Schema = builder.ToSchema();
    }

    public bool CanShuffle => _source.CanShuffle;

    public DataViewSchema Schema { get; }

    public long? GetRowCount() => _source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var active = columnsNeeded.ToArray();
        var sources = active
            .Select(column => column.Index < _source.Schema.Count ? _source.Schema[column.Index] : _image)
            .DistinctBy(column => column.Index);
        return new NormalizedCursor(Schema, active, _source.GetRowCursor(sources, rand), _image, _shape);
    }

    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}
