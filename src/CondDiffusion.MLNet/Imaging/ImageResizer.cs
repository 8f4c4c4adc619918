using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Imaging;

/// <summary>Resizes images one by one, as ML.NET's ResizeImages does, but leaves the given image as it is.</summary>
internal static class ImageResizer
{
    /// <summary>Returns an image in a new size. The caller owns it.</summary>
    public static MLImage Resize(MLImage image, int height, int width)
    {
        // A context remembers whatever it has made, so that a single one would grow with each image.
        var context = new MLContext();

        // ML.NET disposes what it resizes, so it gets a copy.
        var row = context.Data.LoadFromEnumerable([new Row { Image = Copy(image) }]);
        var resized = context.Transforms
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
