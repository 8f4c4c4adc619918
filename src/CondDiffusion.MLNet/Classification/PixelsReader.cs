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
    private readonly ValueGetter<MLImage>? _getImage;
    private VBuffer<float> _vector;
    private MLImage? _image;

    public PixelsReader(DataViewRow row, DataViewSchema.Column column, ImageShape shape)
    {
        _row = row;
        _column = column;
        _shape = shape;
        if (column.Type is ImageDataViewType) _getImage = row.GetGetter<MLImage>(column);
        else _getVector = row.GetGetter<VBuffer<float>>(column);
    }

    public ImagePixels Read()
    {
        try
        {
            return _getImage is null ? ReadVector() : ReadImage();
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
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

    private ImagePixels ReadImage()
    {
        // None is disposed here, since that of a row in memory is its owner's. ML.NET's transforms dispose the one that
        // they are given; the new ones of this library's getters are left to the garbage collector.
        _getImage!(ref _image!);
        if (_image is null) return Wrong("has no image");

        var values = new float[_shape.Pixels];
        if (_image.Height == _shape.Height && _image.Width == _shape.Width)
        {
            PixelConversion.FromImage(_image, _shape.Channels, values);
        }
        else
        {
            using var resized = ImageResizer.Resize(_image, _shape.Height, _shape.Width);
            PixelConversion.FromImage(resized, _shape.Channels, values);
        }

        return new(values);
    }

    private static ImagePixels Wrong(string what) => new([], what);
}
