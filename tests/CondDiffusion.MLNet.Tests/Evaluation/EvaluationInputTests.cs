using CondDiffusion.MLNet.Evaluation;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Evaluation;

/// <summary>Checks labels, floors, the table, and what is said of bad input.</summary>
[TestClass]
public sealed class EvaluationInputTests
{
    private static readonly EvaluationOptions Quick = new() { KernelSubsets = 2 };

    private readonly MLContext _ml = new(seed: 1);

    [TestMethod]
    public void Evaluate_Labels_AreMeasuredEachByItself()
    {
        var generated = FeatureRows.Normal(1, 60, 3);
        var real = FeatureRows.Normal(2, 90, 3, mean: 0.3);
        var training = FeatureRows.Normal(3, 150, 3);
        var metrics = _ml.ImageGeneration.Evaluate(
            View(generated), View(real), Quick with { TrainingData = View(training) });

        Assert.AreSequenceEqual(["2", "10", "100"], metrics.PerLabel.Select(label => label.Label));
        var second = metrics.PerLabel[1];
        var alone = _ml.ImageGeneration.Evaluate(
            View([.. Rows(generated)]),
            View([.. Rows(real)]),
            Quick with { LabelColumnName = null, TrainingData = View([.. Rows(training)]) });
        Assert.AreEqual((20, 30, 50), (second.GeneratedCount, second.RealCount, second.TrainingCount));
        Assert.AreEqual(alone.FrechetDistance, second.FrechetDistance, 1e-9);
        Assert.AreEqual(alone.KernelDistance, second.KernelDistance, 1e-9);
        Assert.AreEqual(
            (alone.Precision, alone.Recall, alone.Density, alone.Coverage, alone.Authenticity),
            (second.Precision, second.Recall, second.Density, second.Coverage, second.Authenticity));
        Assert.IsEmpty(second.PerLabel);

        // As many training rows of each label as were generated, against all the real ones.
        Assert.AreEqual((60, 90), (metrics.Floor!.GeneratedCount, metrics.Floor.RealCount));
        Assert.AreEqual((20, 30), (second.Floor!.GeneratedCount, second.Floor.RealCount));

        IDataView View(float[][] rows) => FeatureRows.View(_ml, rows, i => new[] { "100", "10", "2" }[i % 3]);

        static IEnumerable<float[]> Rows(float[][] rows) => rows.Where((_, i) => i % 3 == 1);
    }

    [TestMethod]
    public void Evaluate_Cancelled_Stops()
    {
        var rows = FeatureRows.View(_ml, FeatureRows.Normal(1, 40, 3), i => i % 2 == 0 ? "a" : "b");
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            _ml.ImageGeneration.Evaluate(rows, rows, Quick with { CancellationToken = new(canceled: true) }));

        var ml = new MLContext();
        ml.Cancel();
        Assert.Throws<OperationCanceledException>(() => ml.ImageGeneration.Evaluate(rows, rows, Quick));
    }

    [TestMethod]
    public void Floor_WithoutTrainingData_IsHalfOfEachLabelsRealRows()
    {
        var generated = FeatureRows.View(_ml, FeatureRows.Normal(1, 40, 3), i => i % 2 == 0 ? "a" : "b");
        var real = FeatureRows.View(_ml, FeatureRows.Normal(2, 41, 3), i => i < 31 ? "a" : "b");
        var metrics = _ml.ImageGeneration.Evaluate(generated, real, Quick);
        Assert.AreEqual((20, 20), (metrics.Floor!.GeneratedCount, metrics.Floor.RealCount));
        Assert.AreEqual((15, 15), (metrics.PerLabel[0].Floor!.GeneratedCount, metrics.PerLabel[0].Floor!.RealCount));
        Assert.IsNull(metrics.PerLabel[1].Floor, "halves of 5 rows have no 5 neighbors");
        Assert.IsNull(metrics.Authenticity);
        Assert.IsNull(metrics.CopyingStatistic);
        Assert.IsNull(metrics.Floor.Authenticity);
    }

    /// <summary>Of label a there are fewer training rows than generated ones, and of label b more.</summary>
    [TestMethod]
    public void Floor_LabelWithFewerTrainingRowsThanGeneratedOnes_HasThemAll()
    {
        var generated = FeatureRows.View(_ml, FeatureRows.Normal(1, 60, 3), i => i < 40 ? "a" : "b");
        var real = FeatureRows.View(_ml, FeatureRows.Normal(2, 30, 3), i => i < 20 ? "a" : "b");
        var training = FeatureRows.View(_ml, FeatureRows.Normal(3, 42, 3), i => i < 12 ? "a" : "b");

        var metrics = _ml.ImageGeneration.Evaluate(generated, real, Quick with { TrainingData = training });

        Assert.AreEqual((32, 30), (metrics.Floor!.GeneratedCount, metrics.Floor.RealCount));
        Assert.AreEqual((12, 20), (metrics.PerLabel[0].Floor!.GeneratedCount, metrics.PerLabel[0].Floor!.RealCount));
        Assert.AreEqual((20, 10), (metrics.PerLabel[1].Floor!.GeneratedCount, metrics.PerLabel[1].Floor!.RealCount));
    }

    [TestMethod]
    public void LabelAccuracy_KeysTextsAndNumbers_AreComparedByValue()
    {
        var texts = FeatureRows.View(
            _ml, FeatureRows.Normal(1, 20, 3), i => i < 10 ? "3" : "8", Predicted);
        var keys = _ml.Transforms.Conversion.MapValueToKey("Predicted").Fit(texts).Transform(texts);
        var real = FeatureRows.View(_ml, FeatureRows.Normal(2, 20, 3), i => i < 10 ? "3" : "8");
        var toNumbers = _ml.Transforms.Conversion.ConvertType("Label", outputKind: DataKind.Single)
            .Append(_ml.Transforms.DropColumns("Predicted"));
        var numbers = toNumbers.Fit(real).Transform(real);

        var metrics = _ml.ImageGeneration.Evaluate(
            keys, numbers, Quick with { PredictedLabelColumnName = "Predicted" });
        Assert.AreEqual(12.0 / 20, metrics.LabelAccuracy!.Value, 1e-12);
        Assert.AreEqual(2.0 / 10, metrics.PerLabel[0].LabelAccuracy!.Value, 1e-12);
        Assert.AreEqual(1, metrics.PerLabel[1].LabelAccuracy);
        Assert.IsNull(metrics.Floor!.LabelAccuracy);

        // Half of the real rows are predicted wrongly, and so is half of the floor, which has as many of each label.
        var predicted = FeatureRows.View(
            _ml, FeatureRows.Normal(2, 20, 3), i => i < 10 ? "3" : "8", _ => "8");
        metrics = _ml.ImageGeneration.Evaluate(
            keys, predicted, Quick with { PredictedLabelColumnName = "Predicted" });
        Assert.AreEqual(0.5, metrics.Floor!.LabelAccuracy!.Value, 1e-12);
        Assert.AreEqual(12.0 / 20, metrics.LabelAccuracy!.Value, 1e-12);

        static string Predicted(int row) => row is >= 5 and < 8 ? "" : row is 8 or 9 ? "3" : "8";
    }

    [TestMethod]
    public void ToString_EveryColumn_FitsEightyColumns()
    {
        var names = new[] { "a label with a long name", "b" };
        var training = View(FeatureRows.Normal(3, 200, 3, deviation: 1000));
        var metrics = _ml.ImageGeneration.Evaluate(
            View(FeatureRows.Normal(1, 100, 3, deviation: 1000)),
            View(FeatureRows.Normal(2, 90, 3, deviation: 1000)),
            Quick with { PredictedLabelColumnName = "Predicted", TrainingData = training });
        var lines = metrics.ToString().Split('\n');
        Assert.HasCount(8, lines);
        Assert.AreEqual("100 generated rows against 90 real ones, 3 features", lines[0]);
        Assert.AreEqual("floor: 100 real rows against 90 others", lines[1]);
        Assert.AreSequenceEqual(["all", "floor", "a label…", "b"], lines[4..].Select(line => line[..8].Trim()));
        Assert.AreEqual(1, lines[3..].Select(line => line.Length).Distinct().Count());
        Assert.IsLessThanOrEqualTo(80, lines.Max(line => line.Length));

        IDataView View(float[][] rows) => FeatureRows.View(_ml, rows, i => names[i % 2], _ => "b");
    }

    [TestMethod]
    public void ToString_EveryNumber_IsBelowItsName()
    {
        var metrics = new ImageGenerationMetrics
        {
            GeneratedCount = 20,
            RealCount = 30,
            FeatureCount = 4,
            FrechetDistance = 1.5,
            KernelDistance = -0.25,
            Precision = 0.1,
            Recall = 0.2,
            Density = 1.3,
            Coverage = 0.4,
            LabelAccuracy = 0.5,
            Authenticity = 0.6,
            CopyingStatistic = -7.1,
        };

        var lines = metrics.ToString().Split('\n');
        Assert.AreSequenceEqual(
            ["rows", "Fréchet", "kernel", "prec", "rec", "dens", "cover", "label", "auth", "C_T"], Words(lines[2]));
        Assert.AreSequenceEqual(
            ["all", "20", "1.5", "-0.25", "0.100", "0.200", "1.300", "0.400", "0.500", "0.600", "-7.1"],
            Words(lines[3]));

        static string[] Words(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
    }

    [TestMethod]
    public void Evaluate_ColumnsThatDoNotFit_AreNamed()
    {
        var view = FeatureRows.View(_ml, FeatureRows.Normal(1, 10, 3));
        var wider = FeatureRows.View(_ml, FeatureRows.Normal(1, 10, 4));
        Refuse(view, view, new() { FeatureColumnName = "X" }, "generated data has no column 'X'");
        Refuse(view, view, new() { LabelColumnName = "Y" }, "generated data has no column 'Y'");
        Refuse(view, view, new() { PredictedLabelColumnName = "Z" }, "generated data has no column 'Z'");
        Refuse(view, view, new() { FeatureColumnName = "Label" }, "'Label' of the generated data must be a vector");
        Refuse(view, view, new() { LabelColumnName = "Features" }, "'Features' of the generated data must hold labels");
        Refuse(view, wider, new(), "'Features' has 3 features in the generated data, but 4 in the real data");
        Refuse(view, view, new() { TrainingData = wider }, "4 in the training data");

        var keys = _ml.Transforms.Conversion.Hash("Label").Fit(view).Transform(view);
        Refuse(view, keys, new(), "'Label' of the real data has keys without values", "'Label' of the generated data");
        Refuse(
            view,
            view,
            new() { Neighbors = 0, KernelSubsets = 0, KernelSubsetSize = 1, FeatureColumnName = " " },
            "Neighbors must be", "KernelSubsets must be", "KernelSubsetSize must be", "FeatureColumnName must be");
        var unlabelled = new EvaluationOptions { PredictedLabelColumnName = "Label", LabelColumnName = null };
        Refuse(view, view, unlabelled, "LabelColumnName must be");
    }

    private void Refuse(IDataView generated, IDataView real, EvaluationOptions options, params string[] parts) =>
        Throws.Saying<ArgumentException>(() => _ml.ImageGeneration.Evaluate(generated, real, options), parts);

    /// <summary>The numbers of their keys would be compared with the texts of the labels.</summary>
    [TestMethod]
    public void Evaluate_PredictedKeysWithoutValues_AreRefused()
    {
        var view = FeatureRows.View(_ml, FeatureRows.Normal(1, 10, 3), predicted: _ => "a");
        var keys = _ml.Transforms.Conversion.Hash("Predicted").Fit(view).Transform(view);
        Refuse(
            keys,
            view,
            Quick with { PredictedLabelColumnName = "Predicted" },
            "Column 'Predicted' of the generated data has keys without values",
            "'Label' of the generated data has values");
    }

    [TestMethod]
    public void Evaluate_RowsThatDoNotFit_AreNamed()
    {
        var rows = FeatureRows.Normal(1, 12, 3);
        var view = FeatureRows.View(_ml, rows);
        var broken = FeatureRows.Normal(1, 12, 3);
        broken[7][2] = float.NaN;
        Fail(view, FeatureRows.View(_ml, broken), "Row 7 of the real data", "'Features' has NaN as its value 2");
        broken[7][2] = float.NegativeInfinity;
        Fail(FeatureRows.View(_ml, broken), view, "Row 7 of the generated data", "'Features'");
        var unlabelled = FeatureRows.View(_ml, rows, i => i == 3 ? "" : "a");
        Fail(view, unlabelled, "Row 3 of the real data", "'Label' has no label");
        Fail(_ml.Data.SkipRows(view, 12), view, "generated data has no rows");
        Fail(view, _ml.Data.TakeRows(view, 5), "real data has 5 rows", "5 neighbors");

        var both = FeatureRows.View(_ml, rows, i => i < 2 ? "b" : "a");
        Fail(view, both, "generated data has no rows of label 'b'", "real");
        Fail(both, view, "real data has no rows of label 'b'");

        var few = FeatureRows.View(_ml, rows, i => i < 5 ? "b" : "a");
        Fail(few, few, "generated data has 5 rows of label 'b'");
        Assert.IsNotNull(_ml.ImageGeneration.Evaluate(few, few, Quick with { LabelColumnName = null }));

        var options = Quick with { TrainingData = _ml.Data.TakeRows(view, 1) };
        Throws.Saying<InvalidOperationException>(
            () => _ml.ImageGeneration.Evaluate(view, view, options), "training data has 1 rows");
    }

    private void Fail(IDataView generated, IDataView real, params string[] parts) =>
        Throws.Saying<InvalidOperationException>(() => _ml.ImageGeneration.Evaluate(generated, real, Quick), parts);

    /// <summary>A value that a sparse vector leaves out is 0; here it is another one in each row.</summary>
    [TestMethod]
    public void Evaluate_SparseFeatures_AreThoseOfDenseVectors()
    {
        var generated = FeatureRows.Normal(1, 40, 3);
        for (var i = 0; i < generated.Length; i++) generated[i][i % 3] = 0;
        var real = FeatureRows.Normal(2, 40, 3, mean: 1);
        var sparse = _ml.Data.LoadFromEnumerable(generated.Select((row, i) =>
        {
            int[] given = [.. Enumerable.Range(0, 3).Where(feature => feature != i % 3)];
            float[] values = [.. given.Select(feature => row[feature])];
            return new SparseFeatures { Values = new(3, 2, values, given) };
        }));

        var metrics = _ml.ImageGeneration.Evaluate(
            sparse, FeatureRows.View(_ml, real), Quick with { LabelColumnName = null });

        Assert.AreEqual(NaiveMetrics.Frechet(generated, real), metrics.FrechetDistance, 1e-9);
    }

    [TestMethod]
    public void Evaluate_OverlapAndFewRows_AreWarnings()
    {
        var warnings = new List<string>();
        _ml.Log += (_, e) =>
        {
            if (e.Kind == ChannelMessageKind.Warning) warnings.Add(e.RawMessage);
        };
        var rows = FeatureRows.Normal(1, 30, 20);
        var view = FeatureRows.View(_ml, rows, i => i < 15 ? "a" : "b");
        var plain = Quick with { LabelColumnName = null };
        _ml.ImageGeneration.Evaluate(view, view, plain);
        Assert.IsEmpty(warnings);

        var training = FeatureRows.View(_ml, [.. FeatureRows.Normal(2, 30, 20), rows[4], rows[9], rows[9]]);
        _ml.ImageGeneration.Evaluate(view, view, plain with { TrainingData = training });
        Assert.Contains("2 of 30 rows of the real data", warnings.Single());

        warnings.Clear();
        _ml.ImageGeneration.Evaluate(_ml.Data.TakeRows(view, 19), view, plain);
        Assert.Contains("generated data has 19 rows, fewer than its 20 features", warnings.Single());

        warnings.Clear();
        _ml.ImageGeneration.Evaluate(view, view, Quick);
        Assert.HasCount(2, warnings);
        Assert.Contains("generated data has fewer rows of labels 'a', 'b' than its 20 features", warnings[0]);
    }

    [TestMethod]
    public void Evaluate_Cancelled_Throws()
    {
        var view = FeatureRows.View(_ml, FeatureRows.Normal(1, 20, 3));
        var options = Quick with { CancellationToken = new(canceled: true) };
        Assert.ThrowsExactly<OperationCanceledException>(() => _ml.ImageGeneration.Evaluate(view, view, options));

        // Between two blocks, too, and without tensors that stay.
        using (var scope = NewDisposeScope())
        {
            var x = zeros(3000, 2, ScalarType.Float32, CPU);
            var blocks = 0;
            var distances = new Distances(zeros(2, ScalarType.Float64, CPU), () =>
            {
                if (++blocks == 3) throw new OperationCanceledException();
            });
            var before = TensorAssert.Count();
            Assert.ThrowsExactly<OperationCanceledException>(() => distances.FindRadii(x, 5));
            Assert.AreEqual(before, TensorAssert.Count());
        }
    }

    /// <summary>A tensor of the user's would be disposed with a scope of ours, or have no gradient.</summary>
    [TestMethod]
    public void Evaluate_CodeOfOthers_RunsOutsideTheScope()
    {
        var kept = new List<Tensor>();
        _ml.Log += (_, _) => Keep();
        var rows = FeatureRows.Normal(1, 20, 30);
        var view = _ml.Data.LoadFromEnumerable(rows.Select(row =>
        {
            Keep();
            return new Features { Values = row };
        }));
        _ml.ImageGeneration.Evaluate(view, view, Quick with { LabelColumnName = null });

        Assert.IsGreaterThan(40, kept.Count);
        Assert.DoesNotContain(true, kept.Select(tensor => tensor.IsInvalid));
        foreach (var tensor in kept) tensor.Dispose();

        void Keep()
        {
            Assert.IsTrue(is_grad_enabled());
            kept.Add(ones(1, ScalarType.Float32, CPU));
        }
    }

    [TestMethod]
    public void Evaluate_Views_AreReadOnceEach()
    {
        var rows = FeatureRows.View(_ml, FeatureRows.Normal(1, 20, 3));
        var (generated, real, training) = (new CountingView(rows), new CountingView(rows), new CountingView(rows));
        _ml.ImageGeneration.Evaluate(generated, real, Quick with { TrainingData = training });
        Assert.AreSequenceEqual([1, 1, 1], new[] { generated, real, training }.Select(view => view.Opened));
        Assert.AreSequenceEqual([0, 0, 0], new[] { generated, real, training }.Select(view => view.Open));
    }

    private sealed class Features
    {
        [ColumnName("Features"), VectorType(30)]
        public float[] Values { get; set; } = [];
    }

    private sealed class SparseFeatures
    {
        [ColumnName("Features"), VectorType(3)]
        public VBuffer<float> Values { get; set; }
    }
}
