using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

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
    {
        _host = environment.Register(nameof(ConditionalDiffusionTransformer));
        _model = model;
        Generator = new(
            network, NoiseSchedule.Create(model.Schedule, model.Timesteps), model.Prediction, model.Seed, () => MLNetInternals.CheckAlive(_host));
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
        return new GeneratedDataView(Generator, Bind(input.Schema), _model.BatchSize, input);
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
    /// <param name="snapshot">
    /// Is shown the pictures on their way, after each step that gives x_t for a t (0 to <see cref="Timesteps"/> - 1) that is a multiple of
    /// <paramref name="snapshotInterval"/>, from the noisiest to the finished. The images are the caller's.
    /// </param>
    /// <param name="snapshotInterval">Every how many steps. At least 1. Default: 50.</param>
    /// <param name="cancellationToken">Ends the drawing, within a step.</param>
    /// <returns>A picture for each label; the caller owns them.</returns>
    /// <exception cref="ArgumentException">There are no labels, a label is none of the model's, or there are not as many seeds as labels.</exception>
    /// <exception cref="OperationCanceledException">The token, or the transformer's context, was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public IReadOnlyList<MLImage> Generate(
        IReadOnlyList<string?> labels, IReadOnlyList<long>? seeds = null, Action<int, IReadOnlyList<MLImage>>? snapshot = null,
        int snapshotInterval = 50, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentOutOfRangeException.ThrowIfLessThan(snapshotInterval, 1);
        if (labels.Count == 0) throw new ArgumentException("There are no labels to draw.", nameof(labels));
        if (seeds is not null && seeds.Count != labels.Count)
            throw new ArgumentException($"There are {seeds.Count} seeds for {labels.Count} labels.", nameof(seeds));

        var pixels = Generator.Generate(
            [.. labels.Select(label => label is null ? Unlabelled() : _model.Labels.IndexOf(label))],
            [.. Enumerable.Range(0, labels.Count).Select(i => (UInt128)(ulong)(seeds?[i] ?? i))],
            (t, values) =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (snapshot is not null && t % snapshotInterval == 0) snapshot(t, Images(values()));
            });
        return Images(pixels);
    }

    /// <summary>Frees the network's memory; using the transformer afterwards throws <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => Generator.Dispose();

    void ICanSaveModel.Save(ModelSaveContext ctx) => Generator.Read(network => ModelFile.Save(ctx, _model, network));

    private int Unlabelled() => _model.Unlabelled
        ?? throw new ArgumentException("A label is null, but this model was trained with a label for every image (LabelDropout is 0).", "labels");

    private MLImage[] Images(float[] pixels)
    {
        var shape = _model.Network;
        return [.. pixels.Chunk(shape.Pixels).Select(image => PixelConversion.ToImage(image, shape.Channels, shape.Height, shape.Width))];
    }

    private GeneratedColumns Bind(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return new(_host, _model, inputSchema);
    }
}
