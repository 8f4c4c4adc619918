using CondDiffusion.MLNet.Imaging;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet;

/// <summary>Preparation of images for training, as verbs of <see cref="MLContext.Transforms"/>.</summary>
public static class TransformsExtensions
{
    /// <summary>
    /// Turns an image column into the float vectors that the diffusion trainer reads: resized, one channel or three, scaled to [-1, 1].
    /// </summary>
    /// <remarks>
    /// A chain of ML.NET's own ResizeImages (the largest centred part of the image's
    /// shape asked for, by cubic interpolation), ConvertToGrayscale (for one channel) and
    /// ExtractPixels. All of them have the scope <see cref="TransformerScope.TrainTest"/>: <c>model.Transform(data)</c> and
    /// <c>model.GetModelFor(TransformerScope.Scoring)</c> leave them out, since generating an image needs none to begin with;
    /// <c>model.Transform(data, TransformerScope.Training)</c> shows their output.
    /// <para>Begin the pipeline with this chain. A chain inside another chain is always run with its scoring scope, so appended to
    /// other estimators it would give the trainer nothing.</para>
    /// <para>As with any image transform of ML.NET, images that rows own are disposed on the way: read such data once.</para>
    /// </remarks>
    /// <param name="catalog">The catalog, <see cref="MLContext.Transforms"/>.</param>
    /// <param name="outputColumnName">
    /// The column to make: a float vector [channels, imageHeight, imageWidth] in which black is -1 and white is 1. With three
    /// channels, the whole red plane comes first, then green, then blue.
    /// </param>
    /// <param name="inputColumnName">The column of images to read, of any size.</param>
    /// <param name="imageWidth">The width to resize to, in pixels, at least 1.</param>
    /// <param name="imageHeight">The height to resize to, in pixels, at least 1.</param>
    /// <param name="channels">1 for grey, 3 for red, green and blue. Default: 1.</param>
    /// <returns>The chain, to append the trainer to.</returns>
    /// <exception cref="ArgumentException">A column name is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A side is less than 1, or there are neither 1 nor 3 channels.</exception>
    public static EstimatorChain<ImagePixelExtractingTransformer> NormalizeImages(
        this TransformsCatalog catalog, string outputColumnName, string inputColumnName, int imageWidth, int imageHeight, int channels = 1)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentException.ThrowIfNullOrWhiteSpace(outputColumnName);
        ArgumentException.ThrowIfNullOrWhiteSpace(inputColumnName);
        ArgumentOutOfRangeException.ThrowIfLessThan(imageWidth, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(imageHeight, 1);
        PixelConversion.CheckChannels(channels);

        // Not ResizingKind.Fill: it takes the nearest pixel, which doubles every seventh row and column of a 28 x 28 digit.
        var resize = catalog.ResizeImages(
            outputColumnName, imageWidth, imageHeight, inputColumnName, ImageResizingEstimator.ResizingKind.IsoCrop);
        var extract = catalog.ExtractPixels(
            outputColumnName,
            colorsToExtract: channels == 1 ? ImagePixelExtractingEstimator.ColorBits.Red : ImagePixelExtractingEstimator.ColorBits.Rgb,
            orderOfExtraction: ImagePixelExtractingEstimator.ColorsOrder.ARGB,
            offsetImage: PixelConversion.Offset,
            scaleImage: PixelConversion.Scale);

        var chain = new EstimatorChain<ITransformer>().Append(resize, TransformerScope.TrainTest);
        return channels == 1
            ? chain.Append(catalog.ConvertToGrayscale(outputColumnName), TransformerScope.TrainTest).Append(extract, TransformerScope.TrainTest)
            : chain.Append(extract, TransformerScope.TrainTest);
    }
}
