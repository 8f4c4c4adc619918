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

    /// <summary>
    /// Returns the pixels of the only image in a view, resized and scaled to [-1, 1] by ML.NET's own transforms.
    /// </summary>
    public static float[] NormalizeByMLNet(MLContext ml, IDataView view, int height, int width, int channels)
    {
        var chain = new EstimatorChain<ITransformer>()
            .Append(ml.Transforms.ResizeImages(
                "Pixels", width, height, "Image", ImageResizingEstimator.ResizingKind.IsoCrop));
        var extract = ml.Transforms.ExtractPixels(
            "Pixels",
            colorsToExtract: channels == 1
                ? ImagePixelExtractingEstimator.ColorBits.Red
                : ImagePixelExtractingEstimator.ColorBits.Rgb,
            orderOfExtraction: ImagePixelExtractingEstimator.ColorsOrder.ARGB,
            offsetImage: 127.5f,
            scaleImage: 1 / 127.5f);
        var pipeline = channels == 1
            ? chain.Append(ml.Transforms.ConvertToGrayscale("Pixels")).Append(extract)
            : chain.Append(extract);
        return pipeline.Fit(view).Transform(view).GetColumn<float[]>("Pixels").Single();
    }

    private sealed class Row
    {
        [ImageType(5, 7)] // no image has this size: the pipeline must take it from the images
        public required MLImage Image { get; init; }
    }
}
