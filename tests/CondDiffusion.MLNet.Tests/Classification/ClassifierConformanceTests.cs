using CondDiffusion.MLNet.Tests.Conformance;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Classification;

[TestClass]
public sealed class ClassifierConformanceTests
{
    private readonly MLContext _ml = new(seed: 7);

    [TestMethod]
    [DataRow("Name", false, false)]
    [DataRow("Name", true, true)]
    [DataRow("Number", false, true)]
    [DataRow("Number", true, false)]
    [DataRow("Flag", false, false)]
    [DataRow("Flag", true, true)]
    public void Trainer_OfAnyLabelAndFeature_Conforms(string label, bool images, bool features)
    {
        var rows = Rows(images);
        EstimatorConformance.Check(
            _ml, Trainer(images, features), Tiny.Keyed(_ml, rows, label), transform: rows, invalid: NoFeatures());
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Trainer_OfKeysWithoutValues_Conforms(bool features)
    {
        var keyed = _ml.Data.LoadFromEnumerable(Tiny.Images);
        var rows = _ml.Transforms.DropColumns("Label").Fit(keyed).Transform(keyed);
        EstimatorConformance.Check(_ml, Trainer(false, features), keyed, transform: rows, invalid: NoFeatures());
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Trainer_InChain_Conforms(bool images)
    {
        var chain = _ml.Transforms.Conversion.MapValueToKey("Label", "Name")
            .Append(Trainer(images, features: true))
            .Append(_ml.Transforms.Conversion.MapKeyToValue("PredictedName", "PredictedLabel"))
            .Append(_ml.Transforms.CopyColumns("Copy", "Features"));
        EstimatorConformance.Check(_ml, chain, Rows(images), invalid: NoFeatures());
    }

    /// <summary>The names of the input's columns may be those of the predicted ones, which then hide them.</summary>
    [TestMethod]
    public void Trainer_WithOutputsOverItsInputs_Conforms()
    {
        var options = Options(false, true) with { PredictedLabelColumnName = "Label", FeaturesColumnName = "Pixels" };
        var trainer = _ml.MulticlassClassification.Trainers.ConvolutionalNetwork(options);
        EstimatorConformance.Check(_ml, trainer, Tiny.KeyedAnimals(_ml));
    }

    [TestMethod]
    public void MapKeyToValue_PredictedLabel_GivesTheLabelsOfTheTraining()
    {
        foreach (var (label, expected) in new (string, object[])[]
        {
            ("Name", ["cat", "dog", "eel"]), ("Number", [0.1f, 1.1f, 2.1f]), ("Flag", [true, false]),
        })
        {
            using var model = Trainer(false, false).Fit(Tiny.Keyed(_ml, Tiny.Animals(_ml), label));
            var view = model.Transform(Tiny.Animals(_ml));
            var mapped = _ml.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(view).Transform(view);
            var keys = view.GetColumn<uint>("PredictedLabel").ToArray();
            var values = ViewConformance.Read(mapped, column => column.Index == mapped.Schema["PredictedLabel"].Index);
            Assert.AreSequenceEqual(keys.Select(key => expected[key - 1]), values.Select(row => row.Values[0]!));
            Assert.AreSequenceEqual(expected.Select(value => $"{value}"), model.LabelValues!);
        }
    }

    [TestMethod]
    public void Evaluate_OfMLNet_AgreesWithTheScores()
    {
        var shapes = Shapes.Draw(40, seed: 3);
        using var model = Shapes.Fit(_ml);
        var view = model.Transform(_ml.Data.LoadFromEnumerable(shapes));
        var metrics = _ml.MulticlassClassification.Evaluate(view);
        var scores = view.GetColumn<float[]>("Score").ToArray();
        var hits = scores.Where((row, i) => row.IndexOf(row.Max()) == shapes[i].Label).Count();
        Assert.AreEqual(hits / 40.0, metrics.MicroAccuracy, 1e-9);
        Assert.AreEqual(-scores.Select((row, i) => Math.Log(row[shapes[i].Label])).Average(), metrics.LogLoss, 1e-5);
        Assert.AreSequenceEqual(
            scores.Select(row => (uint)row.IndexOf(row.Max()) + 1), view.GetColumn<uint>("PredictedLabel"));
        foreach (var row in scores) Assert.AreEqual(1, row.Sum(), 1e-5);
    }

    [TestMethod]
    public void PredictionEngine_ARow_GivesWhatTheViewGives()
    {
        var shapes = Shapes.Draw(9, seed: 4);
        using var model = Shapes.Fit(_ml, Shapes.Options with { FeaturesColumnName = "Features" });
        var rows = _ml.Data.CreateEnumerable<Prediction>(
            model.Transform(_ml.Data.LoadFromEnumerable(shapes)), reuseRowObject: false).ToArray();
        using var engine = _ml.Model.CreatePredictionEngine<Shapes.Shape, Prediction>(
            model, new PredictionEngineOptions { OwnsTransformer = false });
        foreach (var (shape, row) in shapes.Zip(rows))
        {
            var prediction = engine.Predict(shape);
            Assert.AreEqual(row.PredictedLabel, prediction.PredictedLabel);
            Assert.HasCount(3, prediction.Score);
            Assert.HasCount(Shapes.Options.FeatureCount, prediction.Features);
            foreach (var (expected, actual) in
                row.Score.Concat(row.Features).Zip(prediction.Score.Concat(prediction.Features)))
            {
                Assert.AreEqual(expected, actual, 1e-5f);
            }
        }
    }

    private static ConvolutionalNetworkTrainer.Options Options(bool images, bool features) => Shapes.Options with
    {
        Seed = null,
        Epochs = 1,
        FeatureColumnName = images ? "Image" : "Pixels",
        FeaturesColumnName = features ? "Features" : null,
    };

    private ConvolutionalNetworkTrainer Trainer(bool images, bool features) =>
        _ml.MulticlassClassification.Trainers.ConvolutionalNetwork(Options(images, features));

    private IDataView Rows(bool images) => images ? Tiny.Photos(_ml) : Tiny.Animals(_ml);

    private IDataView NoFeatures() => _ml.Data.LoadFromEnumerable([new { X = 0f }]);

    private sealed class Prediction
    {
        public uint PredictedLabel { get; set; }

        public float[] Score { get; set; } = [];

        public float[] Features { get; set; } = [];
    }
}
