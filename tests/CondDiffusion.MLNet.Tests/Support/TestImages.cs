using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Small images, and views over them.</summary>
internal static class TestImages
{
    /// <summary>Returns an opaque image of random colors.</summary>
    public static MLImage Random(int height, int width, MLPixelFormat format, int seed)
    {
        var bytes = new byte[height * width * 4];
        new Random(seed).NextBytes(bytes);
        for (var i = 3; i < bytes.Length; i += 4)
            bytes[i] = 255;
        return MLImage.CreateFromPixels(width, height, format, bytes);
    }

    /// <summary>Returns an opaque image of one color.</summary>
    public static MLImage Plain(int height, int width, byte red, byte green, byte blue)
    {
        byte[] pixel = [blue, green, red, 255];
        var pixels = Enumerable.Repeat(pixel, height * width).SelectMany(p => p);
        return MLImage.CreateFromPixels(width, height, MLPixelFormat.Bgra32, [.. pixels]);
    }

    /// <summary>
    /// Returns a view with the column Image. It can be read once: ML.NET's transforms dispose the images of such rows.
    /// </summary>
    public static IDataView View(MLContext ml, params MLImage[] images)
        => ml.Data.LoadFromEnumerable(images.Select(image => new Row { Image = image }));

    private sealed class Row
    {
        [ImageType(5, 7)] // no image has this size: the pipeline must take it from the images
        public required MLImage Image { get; init; }
    }
}
