using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Pipeline;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet;

/// <summary>
/// Turns images into the float vectors that the diffusion trainer reads, in training only.
/// <see cref="TransformsExtensions.NormalizeImages"/> creates it.
/// </summary>
/// <remarks>
/// A chain that is being fitted gives the vectors to the estimators after this one. The fitted chain leaves its columns
/// alone here, because a model generates images and needs none as input.
/// </remarks>
public sealed class ImageNormalizingEstimator : IEstimator<ITransformer>
{
    private readonly string _output;
    private readonly ImageShape _shape;
    private readonly ImageResizingEstimator _resize;

    internal ImageNormalizingEstimator(TransformsCatalog catalog, string output, string input, ImageShape shape)
    {
        _output = output;
        _shape = shape;

        // ResizingKind.Fill would take the nearest pixel, which doubles every seventh row and column of a 28 x 28
        // digit.
        _resize = catalog.ResizeImages(
            output, shape.Width, shape.Height, input, ImageResizingEstimator.ResizingKind.IsoCrop);
    }

    /// <summary>
    /// Checks the image column and adds the column of vectors, as the estimators after this one get it.
    /// </summary>
    /// <param name="inputSchema">The columns of the training data.</param>
    /// <returns>The columns that the estimators after this one are fitted to.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The image column is missing or holds no images. The message names it.
    /// </exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        var vector = MLNetInternals.Column(
            _output, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single);
        var others = _resize.GetOutputSchema(inputSchema).Where(column => column.Name != _output);
        return new(others.Append(vector));
    }

    /// <summary>Checks the image column. There is nothing to learn from the images, so none is read.</summary>
    /// <param name="input">The training data.</param>
    /// <returns>
    /// A transformer that adds the vectors in training, and leaves its input as it is everywhere else: in the fitted
    /// chain's <c>Transform</c>, in a <c>PredictionEngine</c> and after loading.
    /// </returns>
    /// <inheritdoc cref="GetOutputSchema" path="/exception"/>
    public ITransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _ = GetOutputSchema(MLNetInternals.Shape(input.Schema));
        return new ImageNormalizingTransformer(this);
    }

    /// <summary>Adds the column of vectors, lazily: shows what the estimators after this one get in training.</summary>
    /// <param name="input">The rows with the images.</param>
    /// <returns>The rows with the vectors.</returns>
    /// <inheritdoc cref="GetOutputSchema" path="/exception"/>
    public IDataView Normalize(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new NormalizedDataView(_resize.Fit(input).Transform(input), _output, _shape);
    }
}
