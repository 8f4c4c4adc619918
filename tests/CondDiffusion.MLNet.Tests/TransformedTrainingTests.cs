using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Tests.Training;
using Microsoft.ML;
using static TorchSharp.torch;
using Options = CondDiffusion.MLNet.ConditionalDiffusionTrainer.Options;

namespace CondDiffusion.MLNet.Tests;

/// <summary>Trainings whose images are shifted, rotated and scaled, from the options to the images.</summary>
[TestClass]
public sealed class TransformedTrainingTests
{
    private static readonly Options Plain = Tiny.Options with
    {
        Epochs = 2,
        Precision = Precision.Float32,
        Sampling = new() { Spacing = StepSpacing.LogSnr, GuidanceSigmaLow = 0, GuidanceSigmaHigh = null },
    };

    /// <summary>Without transforms, nothing of them is there, and nothing else is another.</summary>
    [TestMethod]
    public void Fit_NoTransform_IsAsIfThereWereNone()
    {
        var expected = Save(Plain);
        Assert.AreEqual(3, Describe(expected).Format);
        foreach (var options in new[]
        {
            Plain with { AugmentationFraction = 0.9 },
            Plain with { ShiftFraction = 0.1, RotationDegrees = 20, ScaleFraction = 0.1, AugmentationFraction = 0 },
        })
        {
            var file = Save(options);
            Assert.AreSequenceEqual(expected[ModelZip.Description], file[ModelZip.Description]);
            Assert.AreSequenceEqual(expected[ModelZip.Weights], file[ModelZip.Weights]);
        }
    }

    [TestMethod]
    public void Fit_EachTransform_GivesWeightsOfItsOwn()
    {
        byte[][] weights =
        [
            .. new[]
            {
                Plain with { ShiftFraction = 0.1 },
                Plain with { ShiftFraction = 0.2 },
                Plain with { ShiftFraction = 0.2, AugmentationFraction = 0.9 },
                Plain with { RotationDegrees = 20 },
                Plain with { ScaleFraction = 0.1 },
            }.Select(options => Save(options)[ModelZip.Weights]),
        ];
        Assert.HasCount(5, weights.Select(Convert.ToHexString).Distinct());
    }

    [TestMethod]
    public void Fit_Transform_IsSavedAndLoadedWithTheLayer()
    {
        var ml = new MLContext(seed: 1);
        using var trained = Tiny.Fit(ml, Plain with { ShiftFraction = 0.2, BatchSize = 2 }, Corners());
        var file = ModelZip.Save(ml, trained);
        var description = Describe(new(file));
        Assert.AreEqual((6, true), (description.Format, description.Network.TakesTransform));

        using var loaded = (ConditionalDiffusionTransformer)ModelZip.Load(new(), file);
        var rows = Tiny.Rows(ml, 4);
        foreach (var (expected, pixels) in Tiny.Pixels(trained, rows).Zip(Tiny.Pixels(loaded, rows)))
            Assert.AreSequenceEqual(expected, pixels);

        var layer = 0f;
        loaded.Generator.UseNetwork(network =>
        {
            using var scope = NewDisposeScope();
            layer = network.StateDict().Single(tensor => tensor.Entry.Name == UNetShape.TransformLayer)
                .Values.abs().max().item<float>();
        });
        Assert.IsGreaterThan(0, layer, "it has learnt");
    }

    [TestMethod]
    public void Fit_StoppedAndResumed_GivesTheSameWeights()
    {
        using var directory = new TemporaryDirectory();
        using var source = new CancellationTokenSource();
        var options = Plain with { ShiftFraction = 0.2, RotationDegrees = 30 };
        var resumed = options with { CheckpointDirectory = directory.Path };
        Assert.Throws<OperationCanceledException>(() => Save(resumed with
        {
            CancellationToken = source.Token,
            ProgressInterval = TimeSpan.Zero,
            Progress = new Reporter(progress =>
            {
                if (progress.Step == 2) source.Cancel();
            }),
        }));
        Assert.AreSequenceEqual(Save(options)[ModelZip.Weights], Save(resumed)[ModelZip.Weights]);
    }

    /// <summary>
    /// A network that is not told of the shifts learns shifted images, and generates them. One that is told generates
    /// the images as they are.
    /// </summary>
    [TestMethod]
    public void Run_ShiftedImages_LeakOnlyIntoTheImagesOfANetworkThatIsNotTold()
    {
        var told = MeanError(takesTransform: true);
        var untold = MeanError(takesTransform: false);
        Assert.IsLessThan(untold / 2, told, $"{told} where it is told, {untold} where it is not");
    }

    private static ModelZip Save(Options options)
    {
        var ml = new MLContext(seed: 1);
        using var model = Tiny.Fit(ml, options, Corners());
        return new(ModelZip.Save(ml, model));
    }

    private static ModelDescription Describe(ModelZip file) => ModelDescription.Parse(file[ModelZip.Description]);

    /// <summary>Returns ten images of two labels, with a bright square in one or another corner.</summary>
    private static IEnumerable<Tiny.Image> Corners() => Enumerable.Range(0, 10).Select(i => new Tiny.Image
    {
        Label = (uint)i % 2,
        Pixels = [.. Enumerable.Range(0, 64).Select(p => p % 8 / 4 == i % 2 && p / 32 == 0 ? 1f : -1f)],
    });

    /// <summary>
    /// Trains on images of bars that are shifted, and returns the mean difference of generated images from the bars. A
    /// single step from noise shows the mean of what the network has learnt to generate, and to learn that takes little
    /// time.
    /// </summary>
    private static double MeanError(bool takesTransform)
    {
        float[][] bars =
        [
            [.. Enumerable.Range(0, 64).Select(p => p % 8 is 2 or 3 ? 1f : -1f)],
            [.. Enumerable.Range(0, 64).Select(p => p / 8 is 5 or 6 ? 1f : -1f)],
        ];
        var shape = new UNetShape(1, 8, 8, Labels: 2, EmbeddingSize: 16, [8, 8, 8])
        {
            TakesTransform = takesTransform,
        };
        var settings = SmallTraining.Create(epochs: 60, batchSize: 16) with
        {
            LearningRate = new(3e-2, 0, LearningRateDecay.Cosine),
            Target = PredictionTarget.Velocity,
            TimestepSampling = TimestepSampling.LogNormal,
            NoiseLevelMean = 4,
            NoiseLevelDeviation = 0.5,
            Augmentation = new(Shift: 0.25, Rotation: 0, Scale: 0, Fraction: 0.7),
        };
        using var images = SmallTraining.Store(Enumerable.Range(0, 32).Select(i => bars[i % 2]));
        using var training = new SmallTraining(settings, images, shape);
        training.Run();

        var model = Tiny.Description with
        {
            Network = shape,
            Timesteps = SmallTraining.Timesteps,
            ScalesVariances = true,
            Prediction = PredictionTarget.Velocity,
            BatchSize = 40,
            Sampling = new() { Steps = 1, Precision = Precision.Float32 },
        };
        using var generator = new ConditionalDiffusionTransformer(
            new MLContext(), model, training.Network.CopyWith(training.Network.Parameters, training.Network.Buffers));
        return Tiny.Pixels(generator, Tiny.Rows(new(), 40))
            .Select((image, row) => image.Zip(bars[row % 2], (a, b) => Math.Abs(a - b)).Average())
            .Average();
    }
}
