using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Trainers;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace CondDiffusion.MLNet;

/// <summary>
/// Learns to generate images from their labels: a denoising diffusion model (Ho et al. 2020, arXiv 2006.11239),
/// conditioned by a label embedding. Made by <c>mlContext.ImageGeneration.Trainers.ConditionalDiffusion</c>.
/// </summary>
public sealed partial class ConditionalDiffusionTrainer : IEstimator<ConditionalDiffusionTransformer>
{
    private readonly IHost _host;
    private readonly Options _options;
    private readonly TrainingColumns _columns;

    internal ConditionalDiffusionTrainer(IHostEnvironment environment, Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _host = environment.Register(nameof(ConditionalDiffusionTrainer));
        _options = options;
        _columns = new(_host, options);
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
        return GeneratedColumns.Add(
            inputSchema,
            _options.LabelColumnName,
            _options.OutputColumnName,
            _options.PixelsColumnName,
            _options.Height,
            _options.Width);
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
    /// outside [-1, 1]; the column has images, and the channels are neither 1 nor 3; there are too many labels for the
    /// network, or their values are too long for a model file; the loss or a weight is not finite; the memory is too
    /// small for a batch, or a batch takes more than 2 GB, or has too few images for a batch norm; the checkpoints are
    /// of another training; a directory cannot be used; the initial model cannot be used; no image is held out to
    /// choose a moving average by; a GPU was asked for and there is none; TorchSharp's native library is not there; or
    /// the application has TorchSharp in another minor version than this library was built with. Each message says
    /// which.
    /// </exception>
    /// <exception cref="IOException">
    /// The images are more than <see cref="ImageTrainerOptions.ImageMemory"/>, and the context's temporary directory
    /// cannot hold the others.
    /// </exception>
    /// <exception cref="OperationCanceledException">The options' token, or the context, was cancelled.</exception>
    public ConditionalDiffusionTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        Check(MLNetInternals.Shape(input.Schema));
        _columns.CheckLayout(input.Schema);

        using var training = new ImageTraining(_host, _options, input);
        var seed = (ulong)training.Seed;
        var model = _options.Describe(training.Labels, seed);
        var settings = _options.LoopSettings(seed, training.Type);

        // The network comes first, so that one that is impossible is an error before the rows are read.
        var network = _options.InitialModel is { } initial
            ? initial.CreateNetwork(model, training.Device)
            : ConditionalUNet.Create(model.Network, training.Device, SeedStream.InitialWeights(seed));
        try
        {
            training.CheckLabels(model.ToJson(), network);
            training.ReadImages();
            var schedule = NoiseSchedule.Create(_options.Schedule, _options.Timesteps);
            using var loop = new TrainingLoop(network, settings.CreateLoss(network, schedule), settings);
            var samples = _options.SampleEpochs > 0
                ? new TrainingSamples(network, loop, model, _options.SampleEpochs, training.CheckAlive)
                : null;

            // The training.
            training.Train(loop, settings, samples);
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
        _columns.CheckSampling(schema, _options.Sampling);
    }
}
