using CondDiffusion.MLNet.Tests.Parity;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Runs the code of docs/training.md.</summary>
[TestClass]
public sealed class TrainingTests
{
    [TestMethod]
    public void Watching_AsItStands_LeavesSamplesAndEvents()
    {
        using var directory = new DocsDirectory();
        // snippet: watching
        var options = new ConditionalDiffusionTrainer.Options
        {
            ValidationFraction = 0.05,                 // held out; their loss is reported at each epoch's end
            SampleEpochs = 1,                          // four of each of ten labels after each epoch
            TensorBoardDirectory = "logs/digits",      // tensorboard --logdir logs
            Progress = new SampleFiles("samples"),
        };
        // end
        Fit(Fast(options)).Dispose();
        Assert.HasCount(2, Directory.GetFiles("samples", "epoch-00?.png"));
        Assert.HasCount(1, Directory.GetFiles("logs/digits"));
    }

    [TestMethod]
    public void Stopping_AsItStands_Resumes()
    {
        using var directory = new DocsDirectory();
        // snippet: stopping
        using var source = new CancellationTokenSource();
        var options = new ConditionalDiffusionTrainer.Options
        {
            CheckpointDirectory = "checkpoints/digits",           // for this training alone
            CheckpointInterval = TimeSpan.FromMinutes(5),         // or CheckpointSteps = 1000, or both
            CancellationToken = source.Token,
            OnCancellation = CancellationBehavior.ReturnModel,    // or Throw, the default
        };
        // end
        var steps = new List<long>();
        var progress = new Reporter(report =>
        {
            steps.Add(report.Step);
            if (steps.Count == 1)
                source.Cancel();
        });
        options = Fast(options) with { Progress = progress, ProgressInterval = TimeSpan.Zero };
        Fit(options).Dispose();
        Fit(options with { CancellationToken = default }).Dispose();
        Assert.AreSequenceEqual([1L, 2L], steps);
    }

    [TestMethod]
    public void InitialModel_AsItStands_StartsFromItsWeights()
    {
        using var directory = new DocsDirectory();
        Directory.CreateDirectory("models");
        using (var model = Fit(Fast(new()))) new MLContext().Model.Save(model, null, "models/shapes.zip");
        // snippet: initial
        var options = new ConditionalDiffusionTrainer.Options
        {
            InitialModel = InitialModel.FromFile("models/shapes.zip"),    // or a .safetensors of PyTorch's names
        };
        // end
        Assert.AreEqual(3e-3, options.LoopSettings(3, ScalarType.Float32).LearningRate.Peak);
        Fit(Fast(options)).Dispose();
        Assert.ThrowsExactly<InvalidOperationException>(() => Fit(Fast(options) with { EmbeddingSize = 5 }));
    }

    [TestMethod]
    public void Distillation_AsItStands_EndsWithTwoSteps()
    {
        using var directory = new DocsDirectory();
        using var teacher = Fit(Fast(new()) with { Timesteps = 100 });
        var ml = new MLContext(seed: 1);
        var digits = ml.Data.LoadMnist("data/mnist");
        var keyed = ml.Transforms.Conversion.MapValueToKey("Label").Fit(digits).Transform(digits);
        var images = ml.Transforms.NormalizeImages("Pixels", "Image", 28, 28).Normalize(keyed);
        // snippet: distillation
        var guided = ml.ImageGeneration.WithSampling(teacher, teacher.Sampling with { GuidanceScale = 1.25 });
        var four = ml.ImageGeneration.Trainers.Distillation(guided, new() { Steps = 4 }).Fit(images);
        var two = ml.ImageGeneration.Trainers.Distillation(four, new() { Steps = 2 }).Fit(images);
        // end
        using (guided)
        using (four)
        using (two)
            Assert.AreEqual(2, two.Sampling.Steps);
    }

    [TestMethod]
    public void Method_AsItStands_IsTheTrainingOfDdpm()
    {
        using var directory = new DocsDirectory();
        // snippet: method
        var options = ConditionalDiffusionTrainer.Options.Published with
        {
            FeatureColumnName = "Image",
        };
        // end
        var expected = new DiffusionSettings
        {
            Epochs = 50,
            BatchSize = 128,
            LearningRate = new(5e-4, 0, LearningRateDecay.None),
            Seed = 3,
            ReportInterval = options.ProgressInterval,
            NoiseLevelMean = options.NoiseLevelMean, // which a uniform distribution has no use for
            NoiseLevelDeviation = options.NoiseLevelDeviation,
            Augmentation = new(0, 0, 0, options.AugmentationFraction),
        };
        Assert.AreEqual(expected, options.LoopSettings(3, ScalarType.Float32));

        var model = options.Describe(new(10, null), seed: 3);
        Assert.AreSequenceEqual([64, 128, 256], model.Network.Widths);
        Assert.AreEqual(SeedUNet.Shape with { Widths = model.Network.Widths }, model.Network);
        Assert.AreEqual((BetaSchedule.Linear, 1000, PredictionTarget.Noise, false), (
            model.Schedule, model.Timesteps, model.Prediction, model.GeneratesUnlabelled));
        Assert.AreEqual((Sampler.Ancestral, 1000, false, Precision.Float32, 1f), (
            model.Sampling.Sampler, model.Steps, model.Sampling.ClipPixels, model.Sampling.Precision,
            model.GuidanceScale));
        Assert.AreEqual(3, model.WrittenFormat); // which the library could read before there were other networks
        Fit(Fast(options)).Dispose();
    }

    private static ConditionalDiffusionTrainer.Options Fast(ConditionalDiffusionTrainer.Options options) =>
        Tiny.Shrink(options) with { Epochs = 2, Seed = 1 };

    private static ConditionalDiffusionTransformer Fit(ConditionalDiffusionTrainer.Options options)
    {
        var ml = new MLContext();
        var pipeline = ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion(options with { FeatureColumnName = "Image" }));
        return pipeline.Fit(ml.Data.LoadMnist("data/mnist")).LastTransformer;
    }

    // snippet: samples
    private sealed class SampleFiles(string directory) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Samples is { } samples)
            {
                var file = Path.Combine(directory, $"epoch-{value.Epoch:D3}.png");
                ImageGrid.Save(samples, columns: samples.Count / 4, file);
                foreach (var image in samples) image.Dispose();
            }
        }
    }
    // end
}
