using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using static CondDiffusion.MLNet.Tests.Classification.Shapes;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Classification;

[TestClass]
public sealed class ConvolutionalNetworkTrainerTests
{
    private static readonly MLContext Ml = new(seed: 1);

    /// <summary>A training in which everything is random that can be.</summary>
    private static readonly ConvolutionalNetworkTrainer.Options Everything = Options with
    {
        Epochs = 3,
        LabelSmoothing = 0.1,
        ShiftFraction = 0.1,
        RotationDegrees = 10,
        ScaleFraction = 0.1,
        MovingAverageLengths = [0.1],
        ValidationFraction = 0.2,
        ExampleWeightColumnName = "Weight",
        ProgressInterval = TimeSpan.Zero,
    };

    [TestMethod]
    public void Fit_DrawnShapes_ClassifiesUnseenOnes()
    {
        var options = Options with { ChannelWidths = [8, 16], FeatureCount = 24, Epochs = 12, LearningRate = 5e-3 };
        using var model = Fit(Ml, options, Draw(300, seed: 1));
        var unseen = Ml.Data.LoadFromEnumerable(Draw(300, seed: 2));
        var metrics = Ml.MulticlassClassification.Evaluate(model.Transform(unseen));
        Assert.IsGreaterThan(0.95, metrics.MicroAccuracy);
        Assert.IsLessThan(0.3, metrics.LogLoss);
    }

    /// <summary>Where the images say nothing about the label, its weight decides.</summary>
    [TestMethod]
    [DataRow(0u)]
    [DataRow(2u)]
    public void Fit_OneLabelOfALargeWeight_IsPredictedWhereTheImagesDoNotDecide(uint label)
    {
        var random = new Random(4);
        var shapes = Draw(90, seed: 4);
        foreach (var shape in shapes)
        {
            for (var p = 0; p < 64; p++) shape.Pixels[p] = 2 * random.NextSingle() - 1;
            shape.Weight = shape.Label == label ? 2.4f : 0.3f;
        }

        var options = Options with { ExampleWeightColumnName = "Weight", Dropout = 0, Epochs = 8 };
        using var model = Fit(Ml, options, shapes);
        var predicted = model.Transform(Ml.Data.LoadFromEnumerable(shapes)).GetColumn<uint>("PredictedLabel").ToArray();
        Assert.IsGreaterThan(80, predicted.Count(key => key == label + 1));
    }

    /// <summary>The batch norms see an image of weight 0, but not its label.</summary>
    [TestMethod]
    public void Fit_WeightOfZero_LeavesTheLabelOut()
    {
        var shapes = Draw(30, seed: 1);
        shapes[4].Weight = 0;
        var options = Everything with { ValidationFraction = 0 };
        var before = FitWeights(options, shapes);
        shapes[4].Label = 2;
        Assert.AreSequenceEqual(before, FitWeights(options, shapes));

        shapes[4].Weight = 1;
        Assert.IsFalse(before.AsSpan().SequenceEqual(FitWeights(options, shapes)));
    }

    [TestMethod]
    public void Fit_StoppedAfterAStep_ResumesToTheSameWeights()
    {
        var shapes = Draw(30, seed: 1);
        shapes[3].Weight = 2.5f;
        var expected = FitWeights(Everything, shapes);
        foreach (var stop in new[] { 1, 4 })
        {
            using var directory = new TemporaryDirectory();
            using var source = new CancellationTokenSource();
            var options = Everything with { CheckpointDirectory = directory.Path };
            Assert.ThrowsExactly<OperationCanceledException>(() => FitWeights(CancelAt(options, source, stop), shapes));
            Assert.AreSequenceEqual(expected, FitWeights(options, shapes), $"stopped after step {stop}");

            // The weights are part of the data, and a checkpoint is for one set of data alone.
            var others = Draw(30, seed: 1);
            Throws.Saying<InvalidOperationException>(
                () => FitWeights(options, others), "belongs to another training", "images");
        }
    }

    [TestMethod]
    public void Fit_CheckpointOfAGenerator_IsRefused()
    {
        using var directory = new TemporaryDirectory();
        Tiny.Fit(Ml, Tiny.Options with { CheckpointDirectory = directory.Path }).Dispose();
        Throws.Saying<InvalidOperationException>(
            () => FitWeights(Options with { CheckpointDirectory = directory.Path }), "belongs to another training");
    }

    [TestMethod]
    public void Fit_CancelledWithReturnModel_ReturnsAModelThatClassifies()
    {
        using var source = new CancellationTokenSource();
        var steps = 0L;
        var options = CancelAt(Everything, source, 2, progress => steps = progress.Step) with
        {
            OnCancellation = CancellationBehavior.ReturnModel,
        };
        using var model = Fit(Ml, options);
        Assert.AreEqual(2, steps);
        Assert.HasCount(9, Scores(model, Ml.Data.LoadFromEnumerable(Draw(9, seed: 2))));
    }

    [TestMethod]
    public void Fit_CancelledBefore_ThrowsAndLeavesNoTensor()
    {
        FitWeights(Options);
        var before = TensorAssert.Count();
        foreach (var behavior in new[] { CancellationBehavior.Throw, CancellationBehavior.ReturnModel })
        {
            var options = Options with { CancellationToken = new(canceled: true), OnCancellation = behavior };
            Assert.ThrowsExactly<OperationCanceledException>(() => Fit(Ml, options));
        }

        using var source = new CancellationTokenSource();
        Assert.ThrowsExactly<OperationCanceledException>(() => Fit(Ml, CancelAt(Everything, source, 3)));
        Assert.AreEqual(before, TensorAssert.Count());
    }

    [TestMethod]
    public void Fit_Progress_ReportsEveryStep()
    {
        var reports = new List<TrainingProgress>();
        Fit(Ml, Everything with { Progress = new Reporter(reports.Add) }).Dispose();

        // 24 of the 30 images are trained on, in three batches of 8.
        Assert.AreSequenceEqual(Enumerable.Range(1, 9).Select(step => (long)step), reports.Select(r => r.Step));
        Assert.IsTrue(reports.All(r => r.Steps == 9 && r.Epochs == 3 && r.StepsPerEpoch == 3 && r.Samples is null));
        Assert.IsTrue(reports.All(r => r.EndsEpoch == r.ValidationLoss is not null));
        Assert.IsTrue(reports.All(r => r.Loss > 0 && double.IsFinite(r.Loss) && r.GradientNorm > 0));

        // Three labels: the loss begins at about log 3.
        Assert.AreEqual(Math.Log(3), reports[0].Loss, 0.5);
        var rate = Options.LoopSettings(seed: 1, ScalarType.Float32).LearningRate;
        Assert.IsLessThan(rate.Peak / 10, reports[^1].LearningRate);
    }

    /// <summary>The last batch of each epoch would be one image, whose last block is a single pixel.</summary>
    [TestMethod]
    public void Fit_LastBatchOfOneImageWithoutAVariance_IsLeftOut()
    {
        var reports = new List<TrainingProgress>();
        var options = Options with
        {
            ChannelWidths = [4, 4, 4, 4],
            BatchSize = 4,
            ProgressInterval = TimeSpan.Zero,
            Progress = new Reporter(reports.Add),
        };
        Fit(Ml, options, Draw(9, seed: 1)).Dispose();
        Assert.HasCount(4, reports);
        Throws.Saying<InvalidOperationException>(() => Fit(Ml, options with { BatchSize = 1 }), "batch of at least 2");
    }

    [TestMethod]
    public void Fit_BFloat16_Learns()
    {
        using var model = Fit(Ml, Options with { Precision = Precision.BFloat16 });
        foreach (var row in Scores(model, Ml.Data.LoadFromEnumerable(Draw(6, seed: 2))))
            Assert.IsTrue(row.All(float.IsFinite));
    }

    [TestMethod]
    public void Fit_WeightColumn_MissingOrOfAnotherType_IsRefused()
    {
        var rows = Ml.Data.LoadFromEnumerable(Draw(6, seed: 1));
        void Refuses(string column, params string[] parts)
        {
            var trainer = Ml.MulticlassClassification.Trainers.ConvolutionalNetwork(
                Options with { ExampleWeightColumnName = column });
            Throws.Saying<ArgumentOutOfRangeException>(() => trainer.Fit(rows), [.. parts]);
        }

        Refuses("None", "Could not find weight column 'None'");
        Refuses("Name", "weight column 'Name'", "expected Single", "String");
        Refuses("Label", "weight column 'Label'", "expected Single", "Key");
        Refuses("Pixels", "weight column 'Pixels'", "expected Single", "Vector");
    }

    [TestMethod]
    [DataRow(-0.5f, "-0.5")]
    [DataRow(float.NaN, "NaN")]
    [DataRow(float.PositiveInfinity, "Infinity")]
    public void Fit_WeightOutOfRange_NamesTheRow(float weight, string text)
    {
        var shapes = Draw(6, seed: 1);
        shapes[4].Weight = weight;
        var options = Options with { ExampleWeightColumnName = "Weight" };
        Throws.Saying<InvalidOperationException>(
            () => Fit(Ml, options, shapes),
            "Training row 4: column 'Weight' must have a finite weight of at least 0, but has " + text);
    }

    /// <summary>
    /// Of each label five images are real and 45 generated, which contradict the real ones: a real image of label 1 is
    /// white, and of label 2 black.
    /// </summary>
    [TestMethod]
    [DataRow(0.1, 1u)]
    [DataRow(0.9, 2u)]
    [DataRow(null, 2u, DisplayName = "all images equally often")]
    public void Fit_ContradictoryGeneratedImages_CountAsTheirFraction(double? fraction, uint labelOfWhite)
    {
        var trainer = Ml.MulticlassClassification.Trainers.ConvolutionalNetwork(
            Options with { GeneratedFraction = fraction, Dropout = 0, Epochs = 4 });
        using var model = trainer.Fit(Ml.Data.LoadFromEnumerable(Mixed(), Tiny.Schema<MixedImage>(2)));
        var white = Ml.Data.LoadFromEnumerable([new MixedImage { Pixels = Plain(1) }], Tiny.Schema<MixedImage>(2));
        Assert.AreEqual(labelOfWhite, model.Transform(white).GetColumn<uint>("PredictedLabel").Single());
    }

    /// <summary>By default the column is IsGenerated, and a half of each label's images are generated.</summary>
    [TestMethod]
    public void Fit_IsGeneratedColumn_IsUsedWithoutItsName()
    {
        var rows = Ml.Data.LoadFromEnumerable(Mixed(), Tiny.Schema<MixedImage>(2));
        var named = Ml.Transforms.CopyColumns("Made", "IsGenerated").Append(Ml.Transforms.DropColumns("IsGenerated"))
            .Fit(rows).Transform(rows);
        var real = Ml.Transforms.DropColumns("IsGenerated").Fit(rows).Transform(rows);
        var expected = Weights(rows, Options with { GeneratedFraction = 0.5 });
        Assert.AreSequenceEqual(expected, Weights(rows, Options));
        Assert.AreSequenceEqual(expected, Weights(named, Options with { IsGeneratedColumnName = "Made" }));
        Assert.AreSequenceEqual(Weights(real, Options), Weights(rows, Options with { GeneratedFraction = null }));
        Assert.AreNotSequenceEqual(expected, Weights(real, Options));

        // A column of that name that says something else is none of the trainer's business, unless it is named.
        var other = Ml.Transforms.CopyColumns("IsGenerated", "Pixels").Fit(real).Transform(real);
        Assert.AreSequenceEqual(Weights(real, Options), Weights(other, Options));
        Throws.Saying<ArgumentOutOfRangeException>(
            () => Weights(other, Options with { IsGeneratedColumnName = "IsGenerated" }),
            "generated column 'IsGenerated'",
            "expected Boolean");
        Throws.Saying<ArgumentOutOfRangeException>(
            () => Weights(rows, Options with { IsGeneratedColumnName = "None" }),
            "Could not find generated column 'None'");

        static float[] Weights(IDataView rows, ConvolutionalNetworkTrainer.Options options)
        {
            using var model = Ml.MulticlassClassification.Trainers.ConvolutionalNetwork(options).Fit(rows);
            return [.. Scores(model, rows).SelectMany(row => row)];
        }
    }

    [TestMethod]
    public void Fit_AfterNormalizeImages_AsksForVectorsWhenFitted()
    {
        var chain = Ml.Transforms.Conversion.MapValueToKey("Label", "Name")
            .Append(Ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8))
            .Append(Ml.MulticlassClassification.Trainers.ConvolutionalNetwork(Options));
        var fitted = chain.Fit(Tiny.Photos(Ml));
        Assert.HasCount(Tiny.AnimalCount, Scores(fitted, Tiny.Animals(Ml)));
        fitted.Dispose();
    }

    private static IEnumerable<MixedImage> Mixed() => Enumerable.Range(0, 100).Select(i => new MixedImage
    {
        Label = (uint)i % 2,
        IsGenerated = i >= 10,
        Pixels = Plain(i % 2 == 0 == i < 10 ? 1 : -1),
    });

    private static float[] Plain(float value) => [.. Enumerable.Repeat(value, 64)];

    private static ConvolutionalNetworkTrainer.Options CancelAt(
        ConvolutionalNetworkTrainer.Options options,
        CancellationTokenSource source,
        long step,
        Action<TrainingProgress>? report = null) => options with
        {
            CancellationToken = source.Token,
            Progress = new Reporter(progress =>
            {
                report?.Invoke(progress);
                if (progress.Step == step) source.Cancel();
            }),
        };

    private sealed class MixedImage : Tiny.Row
    {
        [VectorType(64)]
        public float[] Pixels { get; set; } = [];

        public bool IsGenerated { get; set; }
    }
}
