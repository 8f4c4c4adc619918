using CondDiffusion.MLNet.Classification;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Trainers;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace CondDiffusion.MLNet;

/// <summary>
/// Learns to classify images with a small convolutional network. Made by
/// <c>mlContext.MulticlassClassification.Trainers.ConvolutionalNetwork</c>.
/// </summary>
/// <remarks>
/// Its features are what <see cref="ImageGenerationCatalog.Evaluate"/> compares images by, and it is what augmented
/// image sets are meant to improve.
/// </remarks>
public sealed partial class ConvolutionalNetworkTrainer : IEstimator<ConvolutionalNetworkTransformer>
{
    private const string IsGenerated = "IsGenerated";

    private readonly IHost _host;
    private readonly Options _options;
    private readonly TrainingColumns _columns;

    internal ConvolutionalNetworkTrainer(IHostEnvironment environment, Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _host = environment.Register(nameof(ConvolutionalNetworkTrainer));
        _options = options;
        _columns = new(_host, options);
    }

    /// <summary>Checks the input columns and adds the predicted ones.</summary>
    /// <param name="inputSchema">The columns of the training data.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A column is missing or of the wrong type; the message names it.
    /// </exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        Check(inputSchema);
        var columns = inputSchema.ToDictionary(column => column.Name);
        var label = columns[_options.LabelColumnName];
        Add(MLNetInternals.Column(
            _options.PredictedLabelColumnName,
            SchemaShape.Column.VectorKind.Scalar,
            NumberDataViewType.UInt32,
            LabelVocabulary.PromiseKeys(label),
            isKey: true));
        Add(Vector(_options.ScoreColumnName, LabelVocabulary.PromiseSlots(label)));
        if (_options.FeaturesColumnName is { } features) Add(Vector(features, null));

        return new(columns.Values);

        void Add(SchemaShape.Column column) => columns[column.Name] = column;

        static SchemaShape.Column Vector(string name, SchemaShape? annotations) => MLNetInternals.Column(
            name, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, annotations);
    }

    /// <summary>
    /// Reads every row of <paramref name="input"/> once, trains, and returns the transformer that classifies.
    /// </summary>
    /// <param name="input">Labelled images.</param>
    /// <inheritdoc cref="ConditionalDiffusionTrainer.Fit" path="/exception"/>
    public ConvolutionalNetworkTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        Check(MLNetInternals.Shape(input.Schema));
        _columns.CheckLayout(input.Schema);

        using var training = new ImageTraining(_host, _options, input);
        var model = _options.Describe(training.Labels);

        // The network comes first, so that one that is impossible is an error before the rows are read.
        var seed = (ulong)training.Seed;
        var network = ClassifierNetwork.Create(model.Network, training.Device, SeedStream.InitialWeights(seed));
        try
        {
            training.CheckLabels(model.ToJson(), network);
            training.ReadImages(_options.ExampleWeightColumnName, FindIsGenerated(input.Schema));
            var settings = _options.LoopSettings(seed, training.Type);
            using var loop = new TrainingLoop(network, _options.CreateLoss(network, training.Type), settings);

            // The training.
            training.Train(loop, settings);
            return new(_host, model, network);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    private void Check(SchemaShape schema)
    {
        _columns.Check(schema);
        if (_options.ExampleWeightColumnName is { } weight)
            _columns.CheckThere(schema, "weight", weight, NumberDataViewType.Single);
        if (_options.IsGeneratedColumnName is { } isGenerated)
            _columns.CheckThere(schema, "generated", isGenerated, BooleanDataViewType.Instance);
    }

    /// <summary>Returns the column that says which images are generated; null for none.</summary>
    private string? FindIsGenerated(DataViewSchema schema) => _options.IsGeneratedColumnName
        ?? (schema.GetColumnOrNull(IsGenerated) is { Type: BooleanDataViewType } ? IsGenerated : null);
}
