using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

/// <summary>
/// A training below the trainer: a network for 8 x 8 images of two labels, which is created, trained and compared in
/// milliseconds.
/// </summary>
internal sealed class SmallTraining : IDisposable
{
    public const int Timesteps = 100;

    private readonly bool _ownsImages;

    public SmallTraining(DiffusionSettings settings, ImageStore? images = null, UNetShape? shape = null)
    {
        Network = ConditionalUNet.Create(shape ?? Shape, CPU, settings.Seed);
        Loss = settings.CreateLoss(Network, NoiseSchedule.Linear(Timesteps));
        Loop = new(Network, Loss, settings);
        Images = images ?? PlainImages();
        _ownsImages = images is null;
        Settings = settings;
    }

    public static UNetShape Shape { get; } = new(1, 8, 8, Labels: 2, EmbeddingSize: 8, [4, 6, 8]);

    public DiffusionSettings Settings { get; }

    public ConditionalUNet Network { get; }

    public DiffusionLoss Loss { get; }

    public TrainingLoop Loop { get; }

    public ImageStore Images { get; }

    public EpochPlan Plan => new(Images, Settings, Network.SmallestBatch);

    /// <summary>The parameters and the batch-norm statistics.</summary>
    public float[] Weights => [.. Parameters, .. Network.Buffers.data<float>()];

    public float[] Parameters => Network.Parameters.data<float>().ToArray();

    /// <summary>Returns settings for six steps on the ten plain images, with every option off.</summary>
    public static DiffusionSettings Create(
        int epochs = 2, int batchSize = 4, double learningRate = 5e-3, ulong seed = 3) => new()
        {
            Epochs = epochs,
            BatchSize = batchSize,
            LearningRate = new(learningRate, 0, LearningRateDecay.None),
            Seed = seed,
        };

    /// <summary>Trains to the end, and returns the weights that the model gets and every report.</summary>
    public static (float[] Weights, List<TrainingProgress> Reports) Train(
        DiffusionSettings settings, ImageStore? images = null, UNetShape? shape = null)
    {
        using var training = new SmallTraining(settings, images, shape);
        var reports = training.Run();
        training.Loop.Finish();
        return (training.Weights, reports);
    }

    /// <summary>Returns five white images with label 0 and five black ones with label 1, in turns.</summary>
    public static ImageStore PlainImages() =>
        Store(Enumerable.Range(0, 10).Select(i => Enumerable.Repeat(i % 2 == 0 ? 1f : -1f, Shape.Pixels).ToArray()));

    /// <summary>Returns a store of images, whose labels are 0 and 1 in turns.</summary>
    public static ImageStore Store(IEnumerable<float[]> images)
    {
        var list = images.ToList();
        var store = new ImageStore(list[0].Length);
        for (var i = 0; i < list.Count; i++) store.Add(list[i], i % 2);
        return store;
    }

    /// <summary>Runs the training and returns every report.</summary>
    public List<TrainingProgress> Run(
        Func<bool>? stops = null, CheckpointWriter? checkpoints = null, Action<TrainingProgress>? report = null)
    {
        var reports = new List<TrainingProgress>();
        var run = new TrainingRun(Loop, Images, Settings, Plan)
        {
            Report = progress =>
            {
                reports.Add(progress);
                report?.Invoke(progress);
            },
            Stops = stops ?? (() => false),
            Checkpoints = checkpoints,
        };
        run.Run();
        return reports;
    }

    public void Dispose()
    {
        Loop.Dispose();
        Network.Dispose();
        if (_ownsImages) Images.Dispose();
    }
}
