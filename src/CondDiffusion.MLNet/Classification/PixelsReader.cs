using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Pipeline;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Classification;

/// <summary>Reads the pixels of a row's image, from a column of vectors or of images.</summary>
internal sealed class PixelsReader : IRowReader<ImagePixels>
{
    private readonly DataViewRow _row;
    private readonly DataViewSchema.Column _column;
    private readonly ImageShape _shape;
    private readonly ValueGetter<VBuffer<float>>? _getVector;
    private readonly ImageGetter? _images;
    private VBuffer<float> _vector;

    public PixelsReader(DataViewRow row, DataViewSchema.Column column, ImageShape shape)
    {
        _row = row;
        _column = column;
        _shape = shape;
        if (column.Type is ImageDataViewType) _images = new(row.GetGetter<MLImage>(column));
        else _getVector = row.GetGetter<VBuffer<float>>(column);
    }

    public ImagePixels Read()
    {
        try
        {
            return _images is null ? ReadVector() : ReadImage(_images.Read());
        }
        catch (Exception exception) when (exception is not
            (OperationCanceledException or ObjectDisposedException or OutOfMemoryException))
        {
            var cause = exception.GetBaseException().Message;
            var advice = cause.Contains("disposed", StringComparison.Ordinal)
                ? " ML.NET's image transforms dispose the images that they read, so name a column that they do not make"
                : "";
            return Wrong($"cannot be read: {cause}{advice}");
        }
    }

    public ImagePixels ReadChecked()
    {
        var pixels = Read();
        return pixels.Error is null
            ? pixels
            : throw new InvalidOperationException($"Row {_row.Position}: column '{_column.Name}' {pixels.Error}.");
    }

    public void Dispose() => _row.Dispose();

    private ImagePixels ReadVector()
    {
        _getVector!(ref _vector);
        if (_vector.Length != _shape.Pixels)
            return Wrong($"must have {_shape.Pixels} values, but has {_vector.Length}");

        float[] values = [.. _vector.DenseValues()];
        return PixelConversion.FindRangeError(values) is { } error ? Wrong(error) : new(values);
    }

    private ImagePixels ReadImage(MLImage? image)
    {
        // The new images of this library's getters are left to the garbage collector.
        if (image is null) return Wrong("has no image");

        var values = new float[_shape.Pixels];
        if (image.Height == _shape.Height && image.Width == _shape.Width)
        {
            PixelConversion.FromImage(image, _shape.Channels, values);
        }
        else
        {
            using var resized = ImageResizer.Resize(image, _shape.Height, _shape.Width);
            PixelConversion.FromImage(resized, _shape.Channels, values);
        }

        return new(values);
    }

    private static ImagePixels Wrong(string what) => new([], what);
}
