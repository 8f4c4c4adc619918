using CondDiffusion.MLNet.Imaging;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Data;

/// <summary>The rows of an image file and a label file, with the columns Image and Label.</summary>
internal sealed class MnistRows : IRowSource
{
    private const int ImageColumn = 0;
    private const int LabelColumn = 1;

    private readonly IdxFile _images;
    private readonly IdxFile _labels;

    /// <exception cref="FormatException">The two files have different numbers of rows.</exception>
    public MnistRows(IdxFile images, IdxFile labels)
    {
        if (images.RowCount != labels.RowCount)
        {
            throw new FormatException(
                $"'{images.Path}' holds {images.RowCount} images and '{labels.Path}' holds {labels.RowCount} labels: " +
                "expected a label for every image.");
        }

        _images = images;
        _labels = labels;

        var schema = new DataViewSchema.Builder();
        schema.AddColumn("Image", new ImageDataViewType(images.RowShape[0], images.RowShape[1]));
        schema.AddColumn("Label", NumberDataViewType.UInt32);
        Schema = schema.ToSchema();
    }

    public DataViewSchema Schema { get; }

    public int RowCount => _images.RowCount;

    public ICurrentRow Open(IReadOnlySet<int> columns, bool inAnyOrder)
    {
        // An order takes memory for every row that the header claims, so all of them must have been read before.
        if (inAnyOrder && columns.Count == 0) _ = _labels.ReadAllRows();
        return new CurrentRow(this, columns, inAnyOrder);
    }

    private sealed class CurrentRow : ICurrentRow
    {
        private readonly int _height;
        private readonly int _width;
        private readonly IdxRows? _images;
        private readonly IdxRows? _labels;

        public CurrentRow(MnistRows source, IReadOnlySet<int> columns, bool inMemory)
        {
            _height = source._images.RowShape[0];
            _width = source._images.RowShape[1];
            try
            {
                // The file of a column that was not requested stays closed.
                if (columns.Contains(ImageColumn)) _images = new IdxRows(source._images, inMemory);
                if (columns.Contains(LabelColumn)) _labels = new IdxRows(source._labels, inMemory);
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public void MoveTo(int row)
        {
            _images?.MoveTo(row);
            _labels?.MoveTo(row);
        }

        public Delegate CreateGetter(int column) =>
            column == ImageColumn ? (ValueGetter<MLImage>)GetImage : (ValueGetter<uint>)GetLabel;

        public void Dispose()
        {
            _images?.Dispose();
            _labels?.Dispose();
        }

        // Each call returns a new image, which the reader owns. The image passed in is not disposed: its reader may
        // still hold it.
        private void GetImage(ref MLImage image) =>
            image = PixelConversion.ToImage(_images!.Current, _height, _width);

        private void GetLabel(ref uint label) => label = _labels!.Current[0];
    }
}
