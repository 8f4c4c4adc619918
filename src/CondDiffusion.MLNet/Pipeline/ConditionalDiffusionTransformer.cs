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
    typeof(ConditionalDiffusionTransformer),
    null,
    typeof(SignatureLoadModel),
    "Conditional diffusion image generator",
    ConditionalDiffusionTransformer.LoaderSignature)]

namespace CondDiffusion.MLNet;

/// <summary>
/// Generates an image for the label in each row. This is the model that <see cref="ConditionalDiffusionTrainer.Fit"/>
/// trains and that ML.NET's <c>Model.Load</c> loads.
/// </summary>
/// <remarks>
/// <para><b>Reproducibility.</b> A row's image depends only on the model, on the row's label and guidance scale, and on
/// its seed: the value in the model's seed column, or the row's id if there is no such column. The same row therefore
/// gets the same image in every batch, thread and process: exactly on a CPU with oneDNN, and otherwise, and on another
/// processor, up to rounding, which is one grey level in float32 and a few in bfloat16.</para>
/// <para><b>Saving.</b> ML.NET's own <c>Model.Save</c> and <c>Model.Load</c> save and load it, alone or in a
/// chain.</para>
/// <para><b>Threads.</b> Any number of threads may use it at once. All models of a process take turns at a device, one
/// evaluation of a network or one training step at a time, because each of these uses every core. No thread holds the
/// device while it runs a callback, saves or disposes.</para>
/// <para><b>Memory.</b> It holds the network's memory until it is disposed or, if it never is, until the garbage
/// collector finalizes it. A <c>PredictionEngine</c> disposes its model unless
/// <c>PredictionEngineOptions.OwnsTransformer</c> is false.</para>
/// <para><b>Cancellation.</b> <c>CancelExecution</c> of its context stops its generation for good. To generate again,
/// load the model with another context.</para>
/// </remarks>
public sealed class ConditionalDiffusionTransformer : ITransformer, ITrainedModel, IDisposable
{
    /// <summary>The loader's name in model files. Never change it: existing files contain it.</summary>
    internal const string LoaderSignature = "CondDiffusionTransform";

    // Version 1.1 is the first one; 1.2 added the sampling options, 1.3 their seed and missing labels, and the scaling
    // of the noise schedule; 1.4 the network's architecture; 1.5 distilled models; 1.6 the focused spacing, the
    // interval of guidance in noise levels, and the network's layer for the transforms of images.
    internal static readonly ModelFile File = new(
        "CONDDIFF", LoaderSignature, newest: FirstFormat + ModelDescription.NewestFormat, oldest: FirstFormat + 1);

    private const uint FirstFormat = 0x00010000; // 1.0

    private readonly IHost _host;
    private readonly ModelDescription _model;

    internal ConditionalDiffusionTransformer(
        IHostEnvironment environment, ModelDescription model, ConditionalUNet network)
        : this(environment.Register(nameof(ConditionalDiffusionTransformer)), model, new SharedNetwork(network))
    {
    }

    private ConditionalDiffusionTransformer(IHost host, ModelDescription model, SharedNetwork network)
    {
        _host = host;
        _model = model;
        Generator = new(
            network, model, () => MLNetInternals.CheckAlive(_host), typeof(ConditionalDiffusionTransformer));
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

    /// <summary>Gets the number of timesteps, T, of the noise schedule that the model was trained with.</summary>
    public int Timesteps => _model.Timesteps;

    /// <summary>
    /// Gets the sampling options that the model generates with. <see cref="ImageGenerationCatalog.WithSampling"/>
    /// creates a model with other options.
    /// </summary>
    public SamplingOptions Sampling => _model.Sampling;

    /// <summary>
    /// Gets whether the model can generate images without a label and with guidance. It can if it was trained with
    /// <see cref="ConditionalDiffusionTrainer.Options.LabelDropout"/>, unless it is distilled.
    /// </summary>
    public bool GeneratesUnlabelled => _model.GeneratesUnlabelled;

    internal ImageGenerator Generator { get; }

    /// <summary>Returns the columns of <paramref name="inputSchema"/> followed by the generated ones.</summary>
    /// <param name="inputSchema">The columns of the rows to generate images for. No image column is needed.</param>
    /// <returns>The columns that <see cref="Transform"/> gives for such rows.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The label column is missing or is not a key column, its keys differ from those of the training, or the seed
    /// column or guidance column has the wrong type. The message names the column.
    /// </exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Bind(inputSchema).Output;

    /// <summary>Adds the generated columns to labelled rows, lazily.</summary>
    /// <remarks>
    /// Nothing is generated until a generated value is read. The first such value generates the images of a whole batch
    /// of rows, so reading rows in order costs far less per image than a <c>PredictionEngine</c>. The input is opened
    /// twice, to read labels ahead, and must give its rows in the same order both times. The reader owns the images and
    /// should dispose them.
    /// </remarks>
    /// <param name="input">The labelled rows.</param>
    /// <returns>
    /// The rows with the generated columns. Reading a generated value throws an <see cref="InvalidOperationException"/>
    /// if the row's label is missing, unless <see cref="SamplingOptions.MissingLabels"/> says otherwise, or if its
    /// guidance scale is invalid.
    /// </returns>
    /// <inheritdoc cref="GetOutputSchema" path="/exception"/>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new AddedColumnsView<Condition>(Generator, Bind(input.Schema), input);
    }

    /// <summary>Creates a mapper that generates one row at a time, as a <c>PredictionEngine</c> needs it.</summary>
    /// <param name="inputSchema">The columns of the rows to map.</param>
    /// <returns>
    /// The mapper; it generates the same image for a row as <see cref="Transform"/>: exactly on a CPU with oneDNN, and
    /// otherwise up to rounding.
    /// </returns>
    /// <inheritdoc cref="GetOutputSchema" path="/exception"/>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) =>
        new AddedColumnsRowMapper<Condition>(Generator, Bind(inputSchema));

    /// <summary>Generates an image for each label, outside any pipeline.</summary>
    /// <remarks>
    /// Many images are generated in batches, of as many as <see cref="Transform"/> generates at a time. That decides
    /// the time that they take, not what they show.
    /// </remarks>
    /// <param name="labels">
    /// Label of each image: one of <see cref="LabelValues"/> or, if those are null, the number of its key, from "1". A
    /// null label generates an image without a label, if the model was trained with
    /// <see cref="ConditionalDiffusionTrainer.Options.LabelDropout"/>.
    /// </param>
    /// <param name="seeds">
    /// Seed of each image; by default 0, 1, 2 and so on. The seed decides the noise that an image is generated from:
    /// images with the same seed start from the same noise, and the same label with the same seed always gives the same
    /// image. A row of a data view gets that image, too, if it has the label and has the seed's value in its seed
    /// column or, without such a column, as its id.
    /// </param>
    /// <param name="progress">
    /// Callback that receives a progress report after each step of each batch, on the calling thread, from the noisiest
    /// images to the finished ones. It can look at the images as they are then, can use this and other models, also on
    /// other threads that it waits for, and can stop the generation by throwing an exception.
    /// </param>
    /// <param name="cancellationToken">
    /// Token that stops the generation within a step, also while it waits for others. A token that is already cancelled
    /// starts nothing.
    /// </param>
    /// <returns>An image for each label, in order. The caller owns the images and should dispose them.</returns>
    /// <exception cref="ArgumentException">
    /// There are no labels; a label is not one of the model's, or is null although the model cannot generate without a
    /// label; or the numbers of seeds and labels differ.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The model generates neither 1 channel nor 3, as an image has. Its pixels can be read as vectors, with
    /// <see cref="Transform"/>.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token or the transformer's context was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">
    /// The transformer was disposed, before or during the generation.
    /// </exception>
    public IReadOnlyList<MLImage> Generate(
        IReadOnlyList<string?> labels,
        IReadOnlyList<long>? seeds = null,
        Action<GenerationProgress>? progress = null,
        CancellationToken cancellationToken = default) =>
        GenerateImages(CreateConditions(labels, seeds), progress, cancellationToken);

    /// <summary>
    /// Generates an image for each label as <see cref="Generate"/> does, on the thread pool. Requests begin in the
    /// order in which they come, a few at a time, and none holds a thread before it begins.
    /// </summary>
    /// <param name="labels">Label of each image, as for <see cref="Generate"/>.</param>
    /// <param name="seeds">Seed of each image, as for <see cref="Generate"/>.</param>
    /// <param name="progress">
    /// Callback that receives a progress report after each step of each batch, as for <see cref="Generate"/>, but on a
    /// thread of the thread pool. It must not wait for another call of this method, which may be queued behind its own.
    /// </param>
    /// <param name="cancellationToken">
    /// Token that stops the generation within a step, and takes a request that has not begun out of the queue.
    /// </param>
    /// <returns>
    /// A task with an image for each label, in order. The caller owns the images and should dispose them. The task
    /// fails as <see cref="Generate"/> does once it has begun; invalid arguments are exceptions of the call itself.
    /// </returns>
    /// <inheritdoc cref="Generate" path="/exception"/>
    public Task<IReadOnlyList<MLImage>> GenerateAsync(
        IReadOnlyList<string?> labels,
        IReadOnlyList<long>? seeds = null,
        Action<GenerationProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        var conditions = CreateConditions(labels, seeds);
        return GenerateInTurn();

        async Task<IReadOnlyList<MLImage>> GenerateInTurn()
        {
            using var turn = await Generator.EnterGenerationAsync(cancellationToken).ConfigureAwait(false);
            return await Task
                .Run(() => GenerateImages(conditions, progress, cancellationToken), cancellationToken)
                .ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Frees the network's memory, unless another model shares it. Generating with this transformer afterwards throws
    /// an <see cref="ObjectDisposedException"/>. Generations that are running end with it before their next step; this
    /// method does not wait for them, and the last of them frees the memory.
    /// </summary>
    public void Dispose() => Generator.Dispose();

    /// <summary>
    /// Creates a transformer of the same model with other sampling options. Both share the weights, which stay until
    /// both are disposed.
    /// </summary>
    /// <exception cref="ArgumentException">
    /// An option is out of its range, or the model cannot be guided. The message lists every invalid option.
    /// </exception>
    internal ConditionalDiffusionTransformer WithSampling(SamplingOptions options) =>
        new(_host, _model.WithSampling(options), Generator.Share());

    // ML.NET calls this to load a model file. It finds the method by its name and parameters.
    private static ConditionalDiffusionTransformer Create(IHostEnvironment environment, ModelLoadContext context)
    {
        var host = environment.Register(nameof(ConditionalDiffusionTransformer));
        var (description, network) = File.Load(host, context, (json, weights, device) =>
        {
            var description = ModelDescription.Parse(json);
            return (description, ConditionalUNet.Load(weights, description.Network, device));
        });
        return new(host, description, new SharedNetwork(network));
    }

    ImageGenerator ITrainedModel.Generator => Generator;

    ModelDescription ITrainedModel.Description => _model;

    void ICanSaveModel.Save(ModelSaveContext ctx) =>
        Generator.UseNetwork(network => File.Save(
            ctx, _model.ToJson(), network, FirstFormat + (uint)_model.WrittenFormat));

    private IReadOnlyList<MLImage> GenerateImages(
        Condition[] conditions, Action<GenerationProgress>? progress, CancellationToken cancellationToken)
    {
        var batches = Generator.GenerateBatches(conditions, progress, cancellationToken);
        return PixelConversion.ToImages(batches, _model.Network.ToImageShape());
    }

    /// <summary>Checks the arguments of a direct call and returns what decides each of its images.</summary>
    private Condition[] CreateConditions(IReadOnlyList<string?> labels, IReadOnlyList<long>? seeds)
    {
        if (_model.Network.Channels is not (1 or 3) and var channels)
        {
            var column = _model.PixelsColumnName is { } name
                ? $"the column '{name}'"
                : "a column, if it is trained with the option PixelsColumnName";
            throw new InvalidOperationException(
                $"An image has 1 or 3 channels, but this model generates {channels}. Use Transform in place of " +
                $"Generate: it gives their pixels as vectors, in {column}.");
        }

        return Conditions.Create(_model, labels, seeds);
    }

    private GeneratedBindings Bind(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return new(_host, _model, inputSchema);
    }
}
