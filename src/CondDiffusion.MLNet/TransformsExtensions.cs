using CondDiffusion.MLNet.Imaging;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet;

/// <summary>Adds the preparation of training images to <see cref="MLContext.Transforms"/>.</summary>
public static class TransformsExtensions
{
    /// <summary>
    /// Creates a chain that turns images into the float vectors that the diffusion trainer reads: resized, with 1 or 3
    /// channels, and scaled to [-1, 1].
    /// </summary>
    /// <remarks>
    /// <para>The chain consists of ML.NET's own ResizeImages (which crops the image's centre to the requested shape and
    /// resizes it by cubic interpolation), ConvertToGrayscale (only for one channel) and ExtractPixels.</para>
    /// <para>Its transformers run in training and evaluation but not in scoring, because a model generates images and
    /// needs none as input: they have the scope <see cref="TransformerScope.TrainTest"/>. <c>model.Transform(data)</c>
    /// and <c>model.GetModelFor(TransformerScope.Scoring)</c> leave them out;
    /// <c>model.Transform(data, TransformerScope.Training)</c> shows their output.</para>
    /// <para>Begin the pipeline with this chain and append the other estimators to it. If the chain were appended to
    /// another estimator, it would be a chain inside a chain; ML.NET always runs an inner chain with its scoring scope,
    /// so the trainer would not get its output.</para>
    /// <para>Like any image transform of ML.NET, the chain disposes the images of in-memory rows when it reads them, so
    /// such data can be read only once.</para>
    /// </remarks>
    /// <param name="catalog">The catalog, <see cref="MLContext.Transforms"/>.</param>
    /// <param name="outputColumnName">
    /// Name of the column to add: a float vector [channels, imageHeight, imageWidth] in which black is -1 and white is
    /// 1. With three channels, the whole red plane comes first, then the green and then the blue one.
    /// </param>
    /// <param name="inputColumnName">Name of the column of images to read; they may have any size.</param>
    /// <param name="imageWidth">Width to resize to, in pixels; at least 1.</param>
    /// <param name="imageHeight">Height to resize to, in pixels; at least 1.</param>
    /// <param name="channels">Number of channels: 1 for grey (the default), 3 for red, green and blue.</param>
    /// <returns>The chain; append the other estimators and the trainer to it.</returns>
    /// <exception cref="ArgumentException">A column name is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The width or height is less than 1, or the number of channels is neither 1 nor 3.
    /// </exception>
    public static EstimatorChain<ImagePixelExtractingTransformer> NormalizeImages(
        this TransformsCatalog catalog,
        string outputColumnName,
        string inputColumnName,
        int imageWidth,
        int imageHeight,
        int channels = 1)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentException.ThrowIfNullOrWhiteSpace(outputColumnName);
        ArgumentException.ThrowIfNullOrWhiteSpace(inputColumnName);
        ArgumentOutOfRangeException.ThrowIfLessThan(imageWidth, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(imageHeight, 1);
        PixelConversion.CheckChannels(channels);

        // ResizingKind.Fill would take the nearest pixel, which doubles every seventh row and column of a 28 x 28
        // digit.
        var resize = catalog.ResizeImages(
            outputColumnName, imageWidth, imageHeight, inputColumnName, ImageResizingEstimator.ResizingKind.IsoCrop);

        var extract = catalog.ExtractPixels(
            outputColumnName,
            colorsToExtract: channels == 1
                ? ImagePixelExtractingEstimator.ColorBits.Red
                : ImagePixelExtractingEstimator.ColorBits.Rgb,
            orderOfExtraction: ImagePixelExtractingEstimator.ColorsOrder.ARGB,
            offsetImage: PixelConversion.Offset,
            scaleImage: PixelConversion.Scale);

        var chain = new EstimatorChain<ITransformer>().Append(resize, TransformerScope.TrainTest);
        if (channels != 1) return chain.Append(extract, TransformerScope.TrainTest);

        return chain
            .Append(catalog.ConvertToGrayscale(outputColumnName), TransformerScope.TrainTest)
            .Append(extract, TransformerScope.TrainTest);
    }
}
