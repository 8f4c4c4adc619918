using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Evaluation;

[TestClass]
public sealed class ClassificationAccuracyTests
{
    private const int Side = 8;

    private readonly MLContext _ml = new(seed: 1);

    /// <summary>A protocol that learns which half of an image is bright, in milliseconds.</summary>
    private static ClassificationAccuracyOptions Options { get; } = new()
    {
        ImageColumnName = "Pixels",
        ImagesPerLabel = 40,
        Trainings = 2,
        Classifier = new()
        {
            Height = Side,
            Width = Side,
            ChannelWidths = [8],
            ConvolutionsPerBlock = 1,
            FeatureCount = 8,
            Dropout = 0,
            Epochs = 6,
            BatchSize = 16,
            LearningRate = 1e-2,
            WarmUpSteps = 0,
            Precision = Precision.Float32,
        },
    };

    [TestMethod]
    public void Score_ImagesOfTheRightLabels_IsHighAndOfSwappedOnesLow()
    {
        var test = View(seed: 2, 60);
        var right = _ml.ImageGeneration.ClassificationAccuracyScore(View(seed: 1, 80), test, Options);
        Assert.IsGreaterThan(0.95, right.Accuracy);
        Assert.HasCount(2, right.Accuracies);
        Assert.AreEqual(80, right.TrainingCount);
        Assert.AreEqual(60, right.TestCount);
        Assert.IsNull(right.Ceiling);

        // A classifier that learns the wrong labels gets every test image wrong.
        var swapped = _ml.ImageGeneration.ClassificationAccuracyScore(View(seed: 1, 80, swap: true), test, Options);
        Assert.IsLessThan(0.05, swapped.Accuracy);
    }

    [TestMethod]
    public void Score_RealData_IsTheCeilingOfAsManyImages()
    {
        var options = Options with { RealData = View(seed: 3, 500), ImagesPerLabel = 20 };
        var generated = View(seed: 1, 80, swap: true);
        var score = _ml.ImageGeneration.ClassificationAccuracyScore(generated, View(seed: 2, 60), options);
        Assert.AreEqual(40, score.TrainingCount);
        Assert.AreEqual(40, score.Ceiling!.TrainingCount);
        Assert.IsLessThan(0.5, score.Accuracy);
        Assert.IsGreaterThan(0.9, score.Ceiling.Accuracy);
        Assert.IsNull(score.Ceiling.Ceiling);
    }

    [TestMethod]
    public void Score_LabelWithFewerImages_UsesThemAllAndAsManyRealOnes()
    {
        var options = Options with { RealData = View(seed: 3, 500), ImagesPerLabel = 30, Trainings = 1 };
        var rows = Rows(seed: 1, 100).Where((row, i) => row.Label == "left" || i < 20);
        var score = _ml.ImageGeneration.ClassificationAccuracyScore(ToView(rows), View(seed: 2, 20), options);
        Assert.AreEqual(30 + 10, score.TrainingCount);
        Assert.AreEqual(30 + 10, score.Ceiling!.TrainingCount);
    }

    [TestMethod]
    public void Score_FewerRealImages_HasACeilingOfThoseAndSaysSo()
    {
        var options = Options with { RealData = View(seed: 3, 20), Trainings = 1 };
        var score = _ml.ImageGeneration.ClassificationAccuracyScore(View(seed: 1, 80), View(seed: 2, 20), options);
        Assert.AreEqual((80, 20), (score.TrainingCount, score.Ceiling!.TrainingCount));
        Assert.Contains("trained on 80 images, tested on 20: ", score.ToString());
        Assert.Contains("; on 20 real ones: ", score.ToString());
    }

    [TestMethod]
    public void Score_Statistics_AreTheMeanAndTheSampleDeviation()
    {
        var score = new ClassificationAccuracyScore([0.9, 0.94, 0.98], 100, 50);
        Assert.AreEqual(0.94, score.Accuracy, 1e-12);
        Assert.AreEqual(0.04, score.StandardDeviation, 1e-12);
        Assert.AreEqual(0, new ClassificationAccuracyScore([0.9], 100, 50).StandardDeviation);
        Assert.AreEqual(
            "trained on 100 images, tested on 50: 94.00 ± 4.00 % (3 trainings); " +
            "on 80 real ones: 90.00 ± 0.00 % (1 trainings)",
            (score with { Ceiling = new([0.9], 80, 50) }).ToString());
    }

    [TestMethod]
    public void Score_SameSeed_IsTheSameAndEachTrainingHasAnother()
    {
        var options = Options with { Classifier = Options.Classifier with { Epochs = 1, LearningRate = 1e-3 } };
        var first = Score();
        Assert.AreSequenceEqual(first.Accuracies, Score().Accuracies);

        // The second training of seed 1 is the first one of seed 2.
        options = options with { Classifier = options.Classifier with { Seed = 2 } };
        Assert.AreEqual(first.Accuracies[1], Score().Accuracies[0]);

        ClassificationAccuracyScore Score() => _ml.ImageGeneration.ClassificationAccuracyScore(
            View(seed: 1, 80), View(seed: 2, 200), options);
    }

    [TestMethod]
    public void Score_MoreRowsThanNeeded_ReadsTheImagesOfNoOthers()
    {
        var read = 0;
        var rows = Rows(seed: 1, 300).Select(row => new Row
        {
            Label = row.Label,
            Pixels = row.Pixels,
            Reading = () => read++,
        });
        var options = Options with { ImagesPerLabel = 5, Trainings = 1 };
        _ml.ImageGeneration.ClassificationAccuracyScore(ToView(rows), View(seed: 2, 20), options);
        Assert.AreEqual(10, read);
    }

    [TestMethod]
    [DataRow("left", "the label 'middle', but the test data has not")]
    [DataRow("middle", "no image with the label 'middle'")]
    public void Score_LabelOnOneSideOnly_NamesIt(string inTest, string message)
    {
        var generated = Rows(seed: 1, 20).Select((row, i) => inTest == "left" && i > 9 ? Named(row) : row);
        var test = Rows(seed: 2, 20).Select((row, i) => inTest == "middle" && i > 9 ? Named(row) : row);
        Throws.Saying<InvalidOperationException>(
            () => _ml.ImageGeneration.ClassificationAccuracyScore(ToView(generated), ToView(test), Options), message);

        static Row Named(Row row) => row.Label == "left" ? new() { Label = "middle", Pixels = row.Pixels } : row;
    }

    /// <summary>The ceiling would be that of classifiers that have never seen the label.</summary>
    [TestMethod]
    public void Score_RealDataWithoutALabel_NamesIt()
    {
        var left = Rows(seed: 3, 20).Where(row => row.Label == "left");
        var options = Options with { RealData = ToView(left), Trainings = 1 };
        Throws.Saying<InvalidOperationException>(
            () => _ml.ImageGeneration.ClassificationAccuracyScore(View(seed: 1, 20), View(seed: 2, 20), options),
            "The real data has no image with the label 'right'");
    }

    [TestMethod]
    public void Score_RowWithoutLabel_NamesTheRowAndTheView()
    {
        var rows = Rows(seed: 1, 5).Select((row, i) => i == 3 ? new Row { Pixels = row.Pixels } : row);
        Throws.Saying<InvalidOperationException>(
            () => _ml.ImageGeneration.ClassificationAccuracyScore(ToView(rows), View(seed: 2, 20), Options),
            "Row 3 of the generated data: column 'Label' has no label");
    }

    [TestMethod]
    public void Score_ImagesOfAnotherSize_NamesTheRow()
    {
        var options = Options with { Classifier = Options.Classifier with { Height = 12 } };
        Throws.Saying<ArgumentException>(
            () => _ml.ImageGeneration.ClassificationAccuracyScore(View(seed: 1, 20), View(seed: 2, 20), options),
            "Column 'Pixels' of the generated data", "vectors of 96 Single, [1, 12, 8] or flat", "64");

        var unknown = ToView(Rows(seed: 1, 20), 0);
        Throws.Saying<InvalidOperationException>(
            () => _ml.ImageGeneration.ClassificationAccuracyScore(unknown, unknown, options),
            "Row 0", "must have 96 values, but has 64");
    }

    [TestMethod]
    public void Score_VectorsInAnotherOrder_AreRefused()
    {
        Score(1, Side, Side);
        Throws.Saying<ArgumentException>(() => Score(Side, Side, 1), "[1, 8, 8] or flat", "8, 8, 1");

        void Score(params int[] dimensions) => _ml.ImageGeneration.ClassificationAccuracyScore(
            ToView(Rows(seed: 1, 20), dimensions), View(seed: 2, 20), Options with { Trainings = 1 });
    }

    /// <summary>With levels of 0 to 255 the accuracy would be wrong.</summary>
    [TestMethod]
    public void Score_ValuesOutsideTheRange_NamesTheRow()
    {
        var rows = Rows(seed: 2, 20);
        rows[3].Pixels[5] = 255;
        Throws.Saying<InvalidOperationException>(
            () => _ml.ImageGeneration.ClassificationAccuracyScore(View(seed: 1, 20), ToView(rows), Options),
            "Row 3: column 'Pixels' must have values in [-1, 1], but has 255");
    }

    /// <summary>The columns of the classifier's options are replaced.</summary>
    [TestMethod]
    public void Score_ClassifierWithColumnsOfItsOwn_HasTheImagesAlone()
    {
        var classifier = Options.Classifier with { ExampleWeightColumnName = "Weight", IsGeneratedColumnName = "Is" };
        var options = Options with { Trainings = 1, Classifier = classifier };
        Assert.AreEqual(
            Score(Options with { Trainings = 1 }), Score(options));

        double Score(ClassificationAccuracyOptions options) =>
            _ml.ImageGeneration.ClassificationAccuracyScore(View(seed: 1, 80), View(seed: 2, 60), options).Accuracy;
    }

    /// <summary>The accuracies that others have published are of this protocol.</summary>
    [TestMethod]
    public void Options_Defaults_AreTheProtocolOfOthers()
    {
        var options = new ClassificationAccuracyOptions();
        Assert.AreEqual((1000, 3), (options.ImagesPerLabel, options.Trainings));

        var classifier = options.Classifier;
        Assert.AreSequenceEqual([32, 64, 128], classifier.ChannelWidths);
        Assert.AreEqual((1, 0.5), (classifier.ConvolutionsPerBlock, classifier.Dropout));
        Assert.AreEqual((20, 64), (classifier.Epochs, classifier.BatchSize));
        Assert.AreEqual(1e-3, classifier.LearningRate);
        Assert.AreEqual(
            (Optimizer.Adam, 0, LearningRateDecay.Cosine),
            (classifier.Optimizer, classifier.WarmUpSteps, classifier.LearningRateDecay));
    }

    [TestMethod]
    public void Options_Impossible_AreAllNamed()
    {
        var options = Options with
        {
            ImagesPerLabel = 0,
            Trainings = 0,
            LabelColumnName = " ",
            Classifier = Options.Classifier with { CheckpointDirectory = "here" },
        };
        Throws.Saying<ArgumentException>(
            () => _ml.ImageGeneration.ClassificationAccuracyScore(View(seed: 1, 20), View(seed: 2, 20), options),
            "ImagesPerLabel", "Trainings", "LabelColumnName", "Classifier.CheckpointDirectory");
    }

    [TestMethod]
    public void Score_Cancelled_Stops()
    {
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        var options = Options with
        {
            Classifier = Options.Classifier with { CancellationToken = cancelled.Token },
        };
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            _ml.ImageGeneration.ClassificationAccuracyScore(View(seed: 1, 20), View(seed: 2, 20), options));

        var ml = new MLContext();
        ml.Cancel();
        Assert.Throws<OperationCanceledException>(() =>
            ml.ImageGeneration.ClassificationAccuracyScore(View(seed: 1, 20), View(seed: 2, 20), Options));
    }

    /// <summary>A classifier of half a training would have a score of its own.</summary>
    [TestMethod]
    public void Score_CancelledInTheTraining_HasNone()
    {
        using var source = new CancellationTokenSource();
        var options = Options with
        {
            Trainings = 1,
            Classifier = Options.Classifier with
            {
                CancellationToken = source.Token,
                OnCancellation = CancellationBehavior.ReturnModel,
                Progress = new CancelAtOnce(source),
            },
        };
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            _ml.ImageGeneration.ClassificationAccuracyScore(View(seed: 1, 80), View(seed: 2, 20), options));
    }

    /// <summary>Key 1 is another label in the one than text 1 in the other.</summary>
    [TestMethod]
    public void Score_KeysWithoutValuesAndTexts_CannotBeCompared()
    {
        var keyed = _ml.Data.LoadFromEnumerable(Rows(seed: 1, 20).Select((row, i) => new Keyed
        {
            Label = (uint)i % 2,
            Pixels = row.Pixels,
        }));
        var test = Rows(seed: 2, 20).Select((row, i) => new Row { Label = $"{1 + i % 2}", Pixels = row.Pixels });
        Throws.Saying<ArgumentException>(
            () => _ml.ImageGeneration.ClassificationAccuracyScore(keyed, ToView(test), Options),
            "Column 'Label' of the generated data has keys without values",
            "'Label' of the test data has values");
    }

    private IDataView View(int seed, int count, bool swap = false) => ToView(Rows(seed, count, swap));

    private IDataView ToView(IEnumerable<Row> rows, params int[] dimensions)
    {
        var schema = SchemaDefinition.Create(typeof(Row));
        schema["Pixels"].ColumnType = new VectorDataViewType(
            NumberDataViewType.Single, dimensions.Length > 0 ? dimensions : [Side * Side]);
        return _ml.Data.LoadFromEnumerable(rows, schema);
    }

    /// <summary>Returns noisy images whose left or right half is bright, in turns.</summary>
    private static Row[] Rows(int seed, int count, bool swap = false)
    {
        var random = new Random(seed);
        return
        [
            .. Enumerable.Range(0, count).Select(i => new Row
            {
                Label = i % 2 == 0 != swap ? "left" : "right",
                Pixels =
                [
                    .. Enumerable.Range(0, Side * Side).Select(pixel => Level(pixel % Side < Side / 2, i % 2 == 0)),
                ],
            }),
        ];

        float Level(bool isLeft, bool isBrightLeft) => (isLeft == isBrightLeft ? 0.4f : -0.4f) + Noise();

        float Noise() => (float)random.NextDouble() - 0.5f;
    }

    private sealed class CancelAtOnce(CancellationTokenSource source) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => source.Cancel();
    }

    private sealed class Keyed
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(Side * Side)]
        public float[] Pixels { get; set; } = [];
    }

    private sealed class Row
    {
        public string Label { get; set; } = "";

        public float[] Pixels
        {
            get
            {
                Reading?.Invoke();
                return field;
            }

            set;
        } = [];

        internal Action? Reading { get; init; }
    }
}
