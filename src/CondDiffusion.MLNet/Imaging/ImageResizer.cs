using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Imaging;

/// <summary>Resizes images one by one, as ML.NET's ResizeImages does, but leaves the given image as it is.</summary>
/// <param name="height">The height to resize to.</param>
/// <param name="width">The width to resize to.</param>
internal sealed class ImageResizer(int height, int width)
{
    private readonly MLContext _context = new();

    /// <summary>Returns the image in the new size. The caller owns it.</summary>
    public MLImage Resize(MLImage image)
    {
        // ML.NET disposes what it resizes, so it gets a copy.
        var row = _context.Data.LoadFromEnumerable([new Row { Image = Copy(image) }]);
        var resized = _context.Transforms
            .ResizeImages("Image", width, height, "Image", ImageResizingEstimator.ResizingKind.IsoCrop)
            .Fit(row)
            .Transform(row);
        return resized.GetColumn<MLImage>("Image").Single();
    }

    private static MLImage Copy(MLImage image)
    {
        try
        {
            // The transparency of a pixel is its weight in the interpolation.
            return MLImage.CreateFromPixels(image.Width, image.Height, image.PixelFormat, image.Pixels);
        }
        catch (MissingMethodException)
        {
            // Beside SkiaSharp 3 and later, MLImage shows colors but no transparency (see PixelConversion.ToBgr).
            var pixels = PixelConversion.ToBgra(image);
            return MLImage.CreateFromPixels(image.Width, image.Height, MLPixelFormat.Bgra32, pixels);
        }
    }

    private sealed class Row
    {
        [ImageType(1, 1)]
        public MLImage? Image { get; set; }
    }
}
