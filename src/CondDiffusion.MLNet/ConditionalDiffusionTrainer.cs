using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet;

/// <summary>
/// Learns to generate images from their labels: a denoising diffusion model (Ho et al. 2020, arXiv 2006.11239),
/// conditioned by a label embedding. Made by <c>mlContext.ImageGeneration.Trainers.ConditionalDiffusion</c>.
/// </summary>
public sealed partial class ConditionalDiffusionTrainer : IEstimator<ConditionalDiffusionTransformer>
{
    private const string NormalizeFirst =
        $" If {nameof(TransformsExtensions.NormalizeImages)} is to make it, put that before the trainer in the same " +
        "chain: what a chain inside a chain makes in training only does not reach the trainer. Or name the image " +
        $"column in {nameof(Options.FeatureColumnName)}: the trainer then does the same by itself.";

    private readonly MLContext _context;
    private readonly IHost _host;
    private readonly Options _options;

    internal ConditionalDiffusionTrainer(MLContext context, Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _context = context;
        _host = ((IHostEnvironment)context).Register(nameof(ConditionalDiffusionTrainer));
        _options = options;
    }

    /// <summary>Checks the input columns and adds the generated ones.</summary>
    /// <param name="inputSchema">The columns of the training data.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A column is missing or of the wrong type; the message names it.
    /// </exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        Check(inputSchema);
        var columns = inputSchema.ToDictionary(column => column.Name);
        var annotations = LabelVocabulary.Promise(columns[_options.LabelColumnName]);
        columns[_options.OutputColumnName] = MLNetInternals.Column(
            _options.OutputColumnName,
            SchemaShape.Column.VectorKind.Scalar,
            new ImageDataViewType(_options.Height, _options.Width),
            annotations);
        if (_options.PixelsColumnName is { } pixels)
        {
            columns[pixels] = MLNetInternals.Column(
                pixels, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, annotations);
        }

        return new(columns.Values);
    }

    /// <summary>
    /// Reads every row of <paramref name="input"/> once, trains, and returns the transformer that generates.
    /// </summary>
    /// <param name="input">Labelled images.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A column is missing or of the wrong type; the message names it.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// There are no rows; a row's label or image is missing, or cannot be read, or its image has another size or values
    /// outside [-1, 1]; the loss became infinite; the memory is too small for a batch; the checkpoints are of another
    /// training, or their directory cannot be used; a GPU was asked for and there is none; TorchSharp's native library
    /// is not there; or the application has TorchSharp in another minor version than this library was built with. Each
    /// message says which.
    /// </exception>
    /// <exception cref="IOException">
    /// The images are more than <see cref="Options.ImageMemory"/>, and the context's temporary directory cannot hold
    /// the others.
    /// </exception>
    /// <exception cref="OperationCanceledException">The options' token, or the context, was cancelled.</exception>
    public ConditionalDiffusionTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        Check(MLNetInternals.Shape(input.Schema));
        CheckLayout(input.Schema[_options.FeatureColumnName]);
        CheckAlive();
        using var channel = _host.Start(nameof(Fit));
        void Log(string line) => channel.Info(MessageSensitivity.None, line);
        void Warn(string line) => channel.Warning(MessageSensitivity.None, line);

        // Directories that cannot be used are an error now, not after an hour of reading.
        using var store = _options.CheckpointDirectory is { } directory
            ? new CheckpointStore(directory, _options.CheckpointsKept, Warn)
            : null;
        var checkpoint = store?.FindNewest();
        var tensorBoard = _options.TensorBoardDirectory is { } logs ? new TensorBoardLog(logs) : null;

        // The data: one pass over the rows, into the image store.
        TorchRuntime.EnsureLoaded();
        var rows = WithVectors(input);
        var labelColumn = rows.Schema[_options.LabelColumnName];
        var labels = LabelVocabulary.Read(_host, labelColumn);
        var shape = _options.NetworkShape(labels.Count);
        using var images = new ImageStore(
            shape.Pixels, _options.ImageMemory, _context.TempFilePath, hashes: store is not null);
        TrainingDataReader.Read(rows, labelColumn, rows.Schema[_options.FeatureColumnName], images, CheckAlive);
        if (images.OnDisk > 0) Log($"{images.OnDisk} bytes of the images are in '{_context.TempFilePath}'.");

        // The network and the state of its training: new, or as the checkpoint left them.
        var device = TorchDevice.Choose(MLNetInternals.GpuDeviceId(_host), MLNetInternals.FallbackToCpu(_host));
        var type = TorchDevice.ChooseDataType(_options.Precision, device);
        var seed = _options.Seed ?? MLNetInternals.Seed(_host) ?? checkpoint?.Seed ?? Random.Shared.Next();
        var model = _options.Describe(labels, (ulong)seed);
        var settings = _options.LoopSettings((ulong)seed, type);
        var network = ConditionalUNet.Create(shape, device, SeedStream.InitialWeights((ulong)seed));
        try
        {
            var schedule = NoiseSchedule.Create(_options.Schedule, _options.Timesteps);
            using var loop = new TrainingLoop(network, schedule, settings);
            var checkpoints = store is null ? null : new CheckpointWriter(
                store,
                _options.Identity(seed, device, type, labels, images),
                _options.CheckpointInterval,
                _options.CheckpointSteps,
                settings.Clock,
                Warn);
            if (checkpoint is not null)
            {
                checkpoints!.Resume(checkpoint, loop.State);
                Log($"Resuming from step {checkpoint.Step}, of the checkpoint '{checkpoint.Path}'.");
            }

            // The training.
            Log($"Training on {images.Count} images with {labels.Count} labels, on {device} in {type}.");
            var samples = _options.SampleEpochs > 0
                ? new TrainingSamples(loop, model, _options.SampleEpochs, CheckAlive)
                : null;
            var reporter = new TrainingReporter(Log, Warn, tensorBoard, samples, _options.Progress, settings.Clock);
            var run = new TrainingRun(loop, images, settings)
            {
                Report = reporter.Report,
                Stops = () =>
                    _options.CancellationToken.IsCancellationRequested || MLNetInternals.IsCanceled(_host),
                Checkpoints = checkpoints,
            };
            run.Run();

            // The model: a cancelled training returns its own where that was asked for, and it has done a step.
            MLNetInternals.CheckAlive(_host);
            if (_options.OnCancellation == CancellationBehavior.Throw || loop.State.Step == 0)
                _options.CancellationToken.ThrowIfCancellationRequested();
            loop.Finish();
            return new(_host, model, network);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <exception cref="OperationCanceledException">The options' token, or the context, was cancelled.</exception>
    private void CheckAlive()
    {
        _options.CancellationToken.ThrowIfCancellationRequested();
        MLNetInternals.CheckAlive(_host);
    }

    /// <summary>
    /// Returns the input with its feature column as vectors: an image column goes through
    /// <see cref="TransformsExtensions.NormalizeImages"/>.
    /// </summary>
    private IDataView WithVectors(IDataView input)
    {
        var name = _options.FeatureColumnName;
        if (input.Schema[name].Type is not ImageDataViewType) return input;
        if (_options.Channels is not (1 or 3))
        {
            throw new InvalidOperationException(
                $"Column '{name}' has images, which give 1 or 3 channels, but {nameof(Options.Channels)} is " +
                $"{_options.Channels}.");
        }

        return _context.Transforms
            .NormalizeImages(name, name, _options.Width, _options.Height, _options.Channels)
            .Normalize(input);
    }

    /// <summary>
    /// Refuses a vector column whose type says that its values lie in another order than [C, H, W]. A flat type says
    /// nothing about the order.
    /// </summary>
    private void CheckLayout(DataViewSchema.Column feature)
    {
        if (feature.Type is not VectorDataViewType { Dimensions: { Length: > 1 } dimensions }) return;

        int[] expected = [_options.Channels, _options.Height, _options.Width];
        if (dimensions.SequenceEqual(expected)) return;

        int[] interleaved = [_options.Height, _options.Width, _options.Channels];
        var advice = dimensions.SequenceEqual(interleaved)
            ? "; its colors lie pixel by pixel, so extract them with interleavePixelColors: false"
            : "";
        throw MLNetInternals.WrongColumn(
            _host,
            "feature",
            feature.Name,
            $"a vector of channels, height and width, [{string.Join(", ", expected)}], or a flat one",
            $"[{string.Join(", ", dimensions)}]{advice}");
    }

    private void Check(SchemaShape schema)
    {
        var label = Find("label", _options.LabelColumnName);
        if (!label.IsKey || label.Kind != SchemaShape.Column.VectorKind.Scalar)
        {
            throw MLNetInternals.WrongColumn(
                _host, "label", label.Name, "a key (MapValueToKey makes one)", Describe(label));
        }

        var feature = Find("feature", _options.FeatureColumnName, NormalizeFirst);
        var isScalar = feature.Kind == SchemaShape.Column.VectorKind.Scalar;
        var isVector = feature.Kind == SchemaShape.Column.VectorKind.Vector;
        var isFloats = isVector && feature.ItemType == NumberDataViewType.Single;
        var isImage = isScalar && feature.ItemType is ImageDataViewType;
        if (!isFloats && !isImage)
        {
            throw MLNetInternals.WrongColumn(
                _host, "feature", feature.Name, "a vector of Single of known size, or an image", Describe(feature));
        }

        // Training has no use for these, but in a chain the transformer is shown the training data: an error now, not
        // after the training.
        CheckIfThere("seed", _options.Sampling.SeedColumnName, NumberDataViewType.Int64);
        CheckIfThere("guidance", _options.Sampling.GuidanceColumnName, NumberDataViewType.Single);

        void CheckIfThere(string role, string? name, DataViewType type)
        {
            var column = schema.FirstOrDefault(column => column.Name == name);
            if (column.Name is null) return;

            var isScalar = column.Kind == SchemaShape.Column.VectorKind.Scalar;
            if (!isScalar || column.IsKey || column.ItemType != type)
                throw MLNetInternals.WrongColumn(_host, role, column.Name, type.ToString()!, Describe(column));
        }

        SchemaShape.Column Find(string role, string name, string advice = "")
        {
            var column = schema.FirstOrDefault(column => column.Name == name);
            return column.Name is null ? throw MLNetInternals.MissingColumn(_host, role, name, advice) : column;
        }

        static string Describe(SchemaShape.Column column) =>
            $"{column.Kind} of {(column.IsKey ? "Key " : "")}{column.ItemType}";
    }
}
