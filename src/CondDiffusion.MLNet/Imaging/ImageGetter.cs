using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Imaging;

/// <summary>Reads images of a column, row by row.</summary>
/// <remarks>
/// <see cref="Read"/> disposes none: one of a row in memory is its owner's, and ML.NET's transforms dispose the one
/// that they are given back at the next row.
/// </remarks>
/// <param name="getter">The column's getter.</param>
internal sealed class ImageGetter(ValueGetter<MLImage> getter)
{
    private MLImage? _image;

    /// <summary>Returns the image of the current row; null if it has none.</summary>
    public MLImage? Read()
    {
        var before = _image;
        getter(ref _image!);

        // For a missing image, ML.NET's transforms dispose the one that they are given and leave it there.
        if (_image is not null && _image == before && IsDisposed(_image)) _image = null;
        return _image;
    }

    /// <summary>Disposes the image that was read last, which must be the caller's own.</summary>
    public void Free()
    {
        _image?.Dispose();
        _image = null;
    }

    private static bool IsDisposed(MLImage image)
    {
        try
        {
            return image.Height < 0;
        }
        catch (InvalidOperationException)
        {
            return true;
        }
    }
}
