using CondDiffusion.MLNet;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Pipeline;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

[assembly: LoadableClass(
    typeof(ConditionalDiffusionTransformer), null, typeof(SignatureLoadModel), "Conditional diffusion image generator",
    ModelFile.LoaderSignature)]

namespace CondDiffusion.MLNet;

/// <summary>
/// Maps a label column to a column of generated images. A picture depends on the model, the label and the row's id (or seed column) alone.
/// Safe to use from several threads.
/// </summary>
/// <remarks>
/// Saved and loaded by ML.NET's own <c>Model.Save</c> and <c>Model.Load</c>. It holds the network's memory until it is disposed (a transformer
/// that never is gives it back when it is finalized). The <c>CancelExecution</c> of its context ends its drawing, for good; a
/// <c>PredictionEngine</c> disposes it unless <c>PredictionEngineOptions.OwnsTransformer</c> is false.
/// </remarks>
public sealed class ConditionalDiffusionTransformer : ITransformer, IDisposable
{
    private readonly IHost _host;
    private readonly ModelDescription _model;

    internal ConditionalDiffusionTransformer(IHostEnvironment environment, ModelDescription model, ConditionalUNet network)
        : this(environment.Register(nameof(ConditionalDiffusionTransformer)), model, new SharedNetwork(network))
    {
    }

    private ConditionalDiffusionTransformer(IHost host, (ModelDescription Description, ConditionalUNet Network) model)
        : this(host, model.Description, new SharedNetwork(model.Network))
    {
    }

    private ConditionalDiffusionTransformer(IHost host, ModelDescription model, SharedNetwork network)
    {
        _host = host;
        _model = model;
        Generator = new(network, model, () => MLNetInternals.CheckAlive(_host), typeof(ConditionalDiffusionTransformer));
    }

    /// <summary>Whether rows are mapped one by one: true, so that a PredictionEngine can use it.</summary>
    public bool IsRowToRowMapper => true;

    /// <summary>
    /// The values of the labels that the model was trained with, as text: the first is that of key 1. Null where the training data's key
    /// column did not say.
    /// </summary>
    public IReadOnlyList<string>? LabelValues => _model.Labels.Values;

    /// <summary>Steps of the noise schedule that the model was trained with, T.</summary>
    public int Timesteps => _model.Timesteps;

    /// <summary>How the model draws. <see cref="ImageGenerationCatalog.WithSampling"/> gives a model that draws in another way.</summary>
    public SamplingOptions Sampling => _model.Sampling;

    /// <summary>
    /// Whether the model can draw without a label, and with guidance: it was trained with
    /// <see cref="ConditionalDiffusionTrainer.Options.LabelDropout"/>.
    /// </summary>
    public bool GeneratesUnlabelled => _model.GeneratesUnlabelled;

    internal ImageGenerator Generator { get; }

    /// <summary>Adds the generated columns after those of <paramref name="inputSchema"/>.</summary>
    /// <param name="inputSchema">The columns of the data to be transformed; it needs no images.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The label column is missing or not a key, its keys are not the trained ones, or the seed column is not of type Int64.
    /// </exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Bind(inputSchema).Output;

    /// <summary>Adds the generated columns, lazily: pictures are drawn in batches, when a value of theirs is first read.</summary>
    /// <param name="input">Labelled rows.</param>
    /// <inheritdoc cref="GetOutputSchema" path="/exception"/>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new GeneratedDataView(Generator, Bind(input.Schema), input);
    }

    /// <summary>A mapper that draws one row at a time.</summary>
    /// <param name="inputSchema">The columns of the rows.</param>
    /// <inheritdoc cref="GetOutputSchema" path="/exception"/>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => new GeneratedRowMapper(Generator, Bind(inputSchema));

    /// <summary>Draws pictures outside a pipeline, all in one batch.</summary>
    /// <param name="labels">
    /// A label of each picture, as one of <see cref="LabelValues"/> (or as the number of its key, from "1", where those are null); a null
    /// label draws without one, where the model was trained with <see cref="ConditionalDiffusionTrainer.Options.LabelDropout"/>.
    /// </param>
    /// <param name="seeds">
    /// Of each picture, what decides its noise: pictures of one seed start from the same noise, and a data view's row with the seed's number
    /// as its id or in its seed column gives the same picture. Null: 0, 1, 2, ...
    /// </param>
    /// <param name="progress">
    /// Is told after each step, on the calling thread, from the noisiest to the finished; it can look at the pictures, and stop the drawing by an
    /// exception.
    /// </param>
    /// <param name="cancellationToken">Ends the drawing, within a step.</param>
    /// <returns>A picture for each label; the caller owns them.</returns>
    /// <exception cref="ArgumentException">There are no labels, a label is none of the model's, or there are not as many seeds as labels.</exception>
    /// <exception cref="OperationCanceledException">The token, or the transformer's context, was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public IReadOnlyList<MLImage> Generate(
        IReadOnlyList<string?> labels, IReadOnlyList<long>? seeds = null, Action<GenerationProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(labels);
        if (labels.Count == 0) throw new ArgumentException("There are no labels to draw.", nameof(labels));
        if (seeds is not null && seeds.Count != labels.Count)
            throw new ArgumentException($"There are {seeds.Count} seeds for {labels.Count} labels.", nameof(seeds));

        var step = 0;
        return Images(Generator.Generate(
            [.. labels.Select((label, i) => new Condition(
                label is null ? Unlabelled() : _model.Labels.IndexOf(label), (ulong)(seeds?[i] ?? i), _model.GuidanceScale))],
            (t, pixels) =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                progress?.Invoke(new(++step, Generator.Steps, t, () => Images(pixels())));
            }));
    }

    /// <summary>Frees the network's memory; using the transformer afterwards throws <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => Generator.Dispose();

    /// <summary>The same model, drawing in another way: it shares the weights, which stay until both are disposed.</summary>
    /// <exception cref="ArgumentException">An option is out of its range, or the model cannot be guided; the message names every one that is.</exception>
    internal ConditionalDiffusionTransformer WithSampling(SamplingOptions options)
    {
        var errors = new OptionErrors();
        options.Check(errors, _model.GeneratesUnlabelled);
        return errors.Text is { } text
            ? throw new ArgumentException($"Invalid {nameof(SamplingOptions)} for this model: {text}", nameof(options))
            : new(_host, _model with { Sampling = options }, Generator.Share());
    }

    /// <summary>Called by ML.NET to load a model file; it finds the method by its name and parameters.</summary>
    private static ConditionalDiffusionTransformer Create(IHostEnvironment environment, ModelLoadContext context)
    {
        var host = environment.Register(nameof(ConditionalDiffusionTransformer));
        return new(host, ModelFile.Load(host, context));
    }

    void ICanSaveModel.Save(ModelSaveContext ctx) => Generator.UseNetwork(network => ModelFile.Save(ctx, _model, network));

    private int Unlabelled() => _model.Unlabelled
        ?? throw new ArgumentException("A label is null, but this model was trained with a label for every image (LabelDropout is 0).", "labels");

    private MLImage[] Images(float[] pixels)
    {
        var shape = _model.Network;
        return PixelConversion.ToImages(pixels, shape.Channels, shape.Height, shape.Width);
    }

    private GeneratedBindings Bind(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return new(_host, _model, inputSchema);
    }
}
