using CondDiffusion.MLNet;
using CondDiffusion.MLNet.Classification;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Pipeline;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

[assembly: LoadableClass(
    typeof(ConvolutionalNetworkTransformer),
    null,
    typeof(SignatureLoadModel),
    "Convolutional image classifier",
    ConvolutionalNetworkTransformer.LoaderSignature)]

namespace CondDiffusion.MLNet;

/// <summary>
/// Classifies images. This is the model that <see cref="ConvolutionalNetworkTrainer.Fit"/> trains and that ML.NET's
/// <c>Model.Load</c> loads.
/// </summary>
/// <remarks>
/// Rows are classified in batches: the input is opened twice, to read images ahead, and must give its rows in the same
/// order both times. Any number of threads may use the transformer at once; they take turns at the device. It holds the
/// network's memory until it is disposed or the garbage collector finalizes it.
/// </remarks>
public sealed class ConvolutionalNetworkTransformer : ITransformer, IDisposable
{
    /// <summary>The loader's name in model files. Never change it: existing files contain it.</summary>
    internal const string LoaderSignature = "CondDiffusionClassifier";

    private const uint Format = 0x00010001;

    private static readonly ModelFile File = new("CONDCLAS", LoaderSignature, newest: Format, oldest: Format);

    private readonly IHost _host;
    private readonly ClassifierDescription _model;
    private readonly ImageClassifier _classifier;

    internal ConvolutionalNetworkTransformer(
        IHostEnvironment environment, ClassifierDescription model, ClassifierNetwork network)
    {
        _host = environment.Register(nameof(ConvolutionalNetworkTransformer));
        _model = model;
        _classifier = new(network, () => MLNetInternals.CheckAlive(_host));
    }

    /// <summary>
    /// Gets whether the transformer maps rows one by one. It does, so a <c>PredictionEngine</c> can use it.
    /// </summary>
    /// <value>Always true.</value>
    public bool IsRowToRowMapper => true;

    /// <summary>Gets the labels that the model was trained with, as text, in the order of their keys.</summary>
    /// <value>
    /// The first value is that of key 1. Null if the label column of the training data held keys without values.
    /// </value>
    public IReadOnlyList<string>? LabelValues => _model.Labels.Values;

    /// <summary>Returns the columns of <paramref name="inputSchema"/> followed by the predicted ones.</summary>
    /// <param name="inputSchema">The columns of the rows to classify. No label column is needed.</param>
    /// <returns>The columns that <see cref="Transform"/> gives for such rows.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The feature column is missing or has the wrong type. The message names the column.
    /// </exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Bind(inputSchema).Output;

    /// <summary>Adds the predicted columns to rows of images, lazily and in batches.</summary>
    /// <param name="input">The rows with the images.</param>
    /// <returns>
    /// The rows with the predicted columns. What else is in a row's batch changes its scores by rounding only. Reading
    /// a predicted value throws an <see cref="InvalidOperationException"/> if the row's image is missing, or has
    /// another number of values or values outside [-1, 1].
    /// </returns>
    /// <inheritdoc cref="GetOutputSchema" path="/exception"/>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new AddedColumnsView<ImagePixels>(_classifier, Bind(input.Schema), input);
    }

    /// <summary>Creates a mapper that classifies one row at a time, as a <c>PredictionEngine</c> needs it.</summary>
    /// <param name="inputSchema">The columns of the rows to map.</param>
    /// <returns>The mapper; it gives a row the same values as <see cref="Transform"/>, up to rounding.</returns>
    /// <inheritdoc cref="GetOutputSchema" path="/exception"/>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) =>
        new AddedColumnsRowMapper<ImagePixels>(_classifier, Bind(inputSchema));

    /// <summary>
    /// Frees the network's memory. Classifying with this transformer afterwards throws an
    /// <see cref="ObjectDisposedException"/>.
    /// </summary>
    public void Dispose() => _classifier.Dispose();

    // ML.NET calls this to load a model file. It finds the method by its name and parameters.
    private static ConvolutionalNetworkTransformer Create(IHostEnvironment environment, ModelLoadContext context)
    {
        var host = environment.Register(nameof(ConvolutionalNetworkTransformer));
        var (model, network) = File.Load(host, context, (json, weights, device) =>
        {
            var description = ClassifierDescription.Parse(json);
            return (description, ClassifierNetwork.Load(weights, description.Network, device));
        });
        return new(host, model, network);
    }

    void ICanSaveModel.Save(ModelSaveContext ctx) =>
        _classifier.UseNetwork(network => File.Save(ctx, _model.ToJson(), network, Format));

    private ClassifierBindings Bind(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return new(_host, _model, inputSchema);
    }
}
