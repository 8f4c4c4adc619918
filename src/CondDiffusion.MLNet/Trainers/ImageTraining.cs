using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Pipeline;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Trainers;

/// <summary>A training on labelled images, from the rows of a data view to trained weights.</summary>
/// <remarks>
/// In this order: the constructor opens the directories and finds the labels, <see cref="ReadImages"/> reads the rows,
/// and <see cref="Train"/> trains.
/// </remarks>
internal sealed class ImageTraining : IDisposable
{
    private readonly IHost _host;
    private readonly ImageTrainerOptions _options;
    private readonly IChannel _channel;
    private readonly IDataView _rows;
    private readonly CheckpointStore? _store;
    private readonly IReadOnlyList<Checkpoint> _found = [];
    private readonly IReadOnlyDictionary<string, string> _identity = new Dictionary<string, string>();
    private readonly TensorBoardLog? _tensorBoard;
    private ImageStore? _images;

    /// <exception cref="InvalidOperationException">A directory cannot be used.</exception>
    /// <exception cref="OperationCanceledException">The options' token, or the context, was cancelled.</exception>
    public ImageTraining(IHost host, ImageTrainerOptions options, IDataView input)
    {
        _host = host;
        _options = options;
        CheckAlive();
        _channel = host.Start("Fit");
        try
        {
            // Directories that cannot be used are an error now, not after an hour of reading.
            if (options.CheckpointDirectory is { } directory)
                _store = new(directory, options.CheckpointsKept, Warn);
            if (_store is not null) _found = _store.FindAll();
            if (options.TensorBoardDirectory is { } logs) _tensorBoard = new(logs);

            TorchRuntime.EnsureLoaded();
            _rows = new TrainingColumns(host, options).WithVectors(input);
            Labels = LabelVocabulary.Read(host, _rows.Schema[options.LabelColumnName]);

            Device = TorchDevice.Choose(MLNetInternals.GpuDeviceId(host), MLNetInternals.FallbackToCpu(host));
            Type = TorchDevice.ChooseDataType(options.Precision, Device);
            Seed = options.Seed ?? MLNetInternals.Seed(host)
                ?? (_found is [var newest, ..] ? newest.Seed : Random.Shared.Next());

            // Before the rows are read: by the time they have been, the file of an initial model may have been
            // replaced.
            if (_store is not null) _identity = options.Identity(Seed, Device, Type, Labels);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The labels of the rows.</summary>
    public LabelVocabulary Labels { get; }

    /// <summary>The device to train on.</summary>
    public Device Device { get; }

    /// <summary>The data type of the convolutions and activations.</summary>
    public ScalarType Type { get; }

    /// <summary>The seed in use, which the options may leave open.</summary>
    public int Seed { get; }

    /// <summary>Reads every row once, into memory or onto disk.</summary>
    /// <param name="weightColumn">The column with the images' weights; null for none.</param>
    /// <param name="isGeneratedColumn">The column that says which images are generated; null for none.</param>
    public void ReadImages(string? weightColumn = null, string? isGeneratedColumn = null)
    {
        var pixels = _options.Channels * _options.Height * _options.Width;
        var directory = MLNetInternals.TempFilePath(_host);
        _images = new(pixels, _options.ImageMemory, directory, hashes: _store is not null);
        TrainingDataReader.Read(
            _rows,
            _rows.Schema[_options.LabelColumnName],
            _rows.Schema[_options.FeatureColumnName],
            _images,
            CheckAlive,
            weightColumn is null ? null : _rows.Schema[weightColumn],
            isGeneratedColumn is null ? null : _rows.Schema[isGeneratedColumn]);
        if (_images.OnDisk > 0) Log($"{_images.OnDisk} bytes of the images are in '{directory}'.");
    }

    /// <summary>
    /// Trains, from the newest checkpoint on where there is one, and gives the network the weights that it ends with.
    /// </summary>
    /// <exception cref="OperationCanceledException">
    /// The context was cancelled; or the options' token was, and there is no model to return or none was asked for.
    /// </exception>
    public void Train(TrainingLoop loop, TrainingSettings settings, TrainingSamples? samples = null)
    {
        var images = _images!;
        var plan = new EpochPlan(images, settings, loop.State.Network.SmallestBatch);
        if (loop.State.Averages.Count > 1 && plan.HeldOut.IsEmpty)
        {
            throw new InvalidOperationException(
                $"ValidationFraction is {settings.ValidationFraction}, which is no image of {images.Count}: none is " +
                $"left to choose among {loop.State.Averages.Count} moving averages.");
        }

        var checkpoints = _store is null ? null : new CheckpointWriter(
            _store,
            new Dictionary<string, string>(_identity)
            {
                [Checkpoint.Images] = $"{images.Count}, SHA-256 {images.Fingerprint}",
            },
            settings.Epochs,
            settings.LearningRate.LastShared(plan.Steps),
            _options.CheckpointInterval,
            _options.CheckpointSteps,
            settings.Clock,
            Warn);
        if (_found.Count > 0)
        {
            checkpoints!.Resume(_found, loop.State);
            Log($"Resuming from step {checkpoints.LastStep}, of the checkpoint '{checkpoints.Last}'.");
        }

        Log($"Training on {images.Count} images with {Labels.Count} labels, on {Device} in {Type}.");
        var reporter = new TrainingReporter(Log, Warn, _tensorBoard, samples, _options.Progress, settings.Clock);
        var run = new TrainingRun(loop, images, settings, plan)
        {
            Report = reporter.Report,
            Stops = () => _options.CancellationToken.IsCancellationRequested || MLNetInternals.IsCanceled(_host),
            Checkpoints = checkpoints,
        };
        run.Run();

        // A cancelled training returns its model where that was asked for, and it has done a step.
        MLNetInternals.CheckAlive(_host);
        if (_options.OnCancellation == CancellationBehavior.Throw || loop.State.Step == 0)
            _options.CancellationToken.ThrowIfCancellationRequested();
        loop.Finish();
    }

    /// <summary>Checks that a model file can hold the labels.</summary>
    /// <param name="json">The description of the model, in UTF-8.</param>
    /// <param name="network">Its network.</param>
    /// <exception cref="InvalidOperationException">Their values are too long; the message names the column.</exception>
    public void CheckLabels(byte[] json, FlatNetwork network)
    {
        if (ModelFile.FindSizeError(json, network) is not { } error) return;

        throw new InvalidOperationException(
            $"Column '{_options.LabelColumnName}' has labels whose values are too long for a model file: {error} Use " +
            "shorter values, or fewer.");
    }

    /// <summary>Throws if the training has to end.</summary>
    /// <exception cref="OperationCanceledException">The options' token, or the context, was cancelled.</exception>
    public void CheckAlive() => MLNetInternals.CheckAlive(_host, _options.CancellationToken);

    public void Dispose()
    {
        _images?.Dispose();
        _store?.Dispose();
        _channel.Dispose();
    }

    private void Log(string line) => Tell(() => _channel.Info(MessageSensitivity.None, line));

    private void Warn(string line) => Tell(() => _channel.Warning(MessageSensitivity.None, line));

    /// <summary>
    /// Writes to the context's log. What its handlers throw must neither end a training nor hide an error.
    /// </summary>
    private static void Tell(Action write)
    {
        try
        {
            write();
        }
        catch (Exception)
        {
        }
    }
}
