using CondDiffusion.MLNet.Imaging;
using Microsoft.ML;

namespace CondDiffusion.MLNet;

/// <summary>Adds the preparation of training images to <see cref="MLContext.Transforms"/>.</summary>
public static class TransformsExtensions
{
    /// <summary>
    /// Creates an estimator that turns images into the float vectors that the diffusion trainer reads: resized, with 1
    /// or 3 channels, and scaled to [-1, 1].
    /// </summary>
    /// <remarks>
    /// <para>Each image is cropped around its centre to the requested shape and resized by cubic interpolation
    /// (ML.NET's
    /// ResizeImages). One channel gets the grey levels of ML.NET's ConvertToGrayscale.</para>
    /// <para>It works in training only, because a model generates images and needs none as input: while a chain is
    /// fitted, the estimators after this one get the vectors, and the fitted chain passes rows through here unchanged.
    /// <see cref="ImageNormalizingEstimator.Normalize"/> shows the vectors.</para>
    /// <para>It may stand anywhere before the trainer, but in the same chain. If a chain is appended to another one as
    /// a
    /// whole, ML.NET gives the estimators after the inner chain what that chain gives in scoring, and the trainer does
    /// not get the vectors.</para>
    /// <para>Like any image transform of ML.NET, it disposes the images of in-memory rows when it reads them, so such
    /// data can be read only once.</para>
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
    /// <returns>The estimator; append the other estimators and the trainer to it, or it to them.</returns>
    /// <exception cref="ArgumentException">A column name is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The width or height is less than 1, or the number of channels is neither 1 nor 3.
    /// </exception>
    public static ImageNormalizingEstimator NormalizeImages(
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

        return new(catalog, outputColumnName, inputColumnName, new(channels, imageHeight, imageWidth));
    }
}
