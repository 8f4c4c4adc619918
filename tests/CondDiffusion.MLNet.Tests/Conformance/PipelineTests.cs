using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Conformance;

/// <summary>The trainer amid ML.NET's own estimators.</summary>
[TestClass]
public sealed class PipelineTests
{
    private readonly MLContext _ml = new(seed: 7);

    [TestMethod]
    public void Pipeline_OfMLNetsEstimatorsAroundTheTrainer_TrainsAClassifierOnGeneratedImages()
    {
        var pipeline = _ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8)
            .Append(_ml.Transforms.CopyColumns("Animal", "Name"))
            .Append(_ml.Transforms.Text.NormalizeText("Animal"))
            .Append(_ml.Transforms.Conversion.MapValueToKey("Label", "Animal"))
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options))
            .Append(_ml.Transforms.ResizeImages("Resized", 4, 4, "GeneratedImage"))
            .Append(_ml.Transforms.ConvertToGrayscale("Grey", "Resized"))
            .Append(_ml.Transforms.ExtractPixels("Levels", "Grey", ImagePixelExtractingEstimator.ColorBits.Red))
            .Append(_ml.Transforms.NormalizeMinMax("Levels"))
            .Append(_ml.Transforms.Concatenate("Features", "Levels", "Number"))
            .AppendCacheCheckpoint(_ml)
            .Append(_ml.MulticlassClassification.Trainers.SdcaMaximumEntropy(maximumNumberOfIterations: 5))
            .Append(_ml.Transforms.Conversion.MapKeyToValue("Predicted", "PredictedLabel"));

        var model = pipeline.Fit(Tiny.Images(_ml)).GetModelFor(TransformerScope.Scoring);
        var expected = model.Transform(Tiny.Vectors(_ml)).GetColumn<string>("Predicted").ToArray();
        var loaded = EstimatorConformance.Reload(_ml, model, Tiny.Vectors(_ml).Schema, out _);
        CollectionAssert.AreEqual(expected, loaded.Transform(Tiny.Vectors(_ml)).GetColumn<string>("Predicted").ToArray());
        CollectionAssert.IsSubsetOf(expected.Distinct().ToArray(), new[] { "cat", "dog", "eel" });

        // The number tells the labels apart whatever the pictures show.
        var metrics = _ml.MulticlassClassification.Evaluate(model.Transform(Tiny.Vectors(_ml)));
        Assert.IsGreaterThan(0.6, metrics.MicroAccuracy);

        using var engine = _ml.Model.CreatePredictionEngine<Tiny.Row, Prediction>(model);
        Assert.IsNotNull(engine.Predict(new() { Name = "DOG", Number = 1.1f }).GeneratedImage);
    }

    [TestMethod]
    public void Pipeline_FittedOnImages_ScoresRowsThatHaveNone()
    {
        var model = _ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8)
            .Append(_ml.Transforms.Conversion.MapValueToKey("Label", "Name"))
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options)).Fit(Tiny.Images(_ml));
        var names = _ml.Data.LoadFromEnumerable([new NameRow { Name = "eel" }, new NameRow { Name = "cat" }]);

        var expected = Tiny.Pictures(model.Transform(names));
        using var file = new MemoryStream();
        _ml.Model.Save(model.GetModelFor(TransformerScope.Scoring), null, file);
        file.Position = 0;
        var loaded = new MLContext().Model.Load(file, out var schema);
        Assert.IsNull(schema);
        Tiny.AreClose(expected, Tiny.Pictures(loaded.Transform(names)));

        using var engine = _ml.Model.CreatePredictionEngine<NameRow, Prediction>(model.GetModelFor(TransformerScope.Scoring));
        Tiny.AreClose([expected[0]], [engine.Predict(new() { Name = "eel" }).GeneratedImage!.Pixels.ToArray()]);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ml.Model.CreatePredictionEngine<NameRow, Prediction>(model));
    }

    [TestMethod]
    public void PredictionEngine_CalledAgain_DrawsAnother()
    {
        var model = _ml.Transforms.Conversion.MapValueToKey("Label", "Name")
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options)).Fit(Tiny.Vectors(_ml));
        using var engine = _ml.Model.CreatePredictionEngine<NameRow, Prediction>(model);
        var pictures = Enumerable.Range(0, 3).Select(_ => engine.Predict(new() { Name = "cat" }).GeneratedImage!.Pixels.ToArray()).ToArray();
        CollectionAssert.AreNotEqual(pictures[0], pictures[1]);
        Tiny.AreClose(pictures, Tiny.Pictures(model.Transform(_ml.Data.LoadFromEnumerable(Enumerable.Repeat(new NameRow { Name = "cat" }, 3)))));
    }

    [TestMethod]
    public void PredictionEngine_Disposed_DisposesTheTransformer()
    {
        var model = _ml.Transforms.Conversion.MapValueToKey("Label", "Name")
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options)).Fit(Tiny.Vectors(_ml));
        _ml.Model.CreatePredictionEngine<NameRow, Prediction>(model).Dispose();
        var e = Assert.ThrowsExactly<ObjectDisposedException>(() => Tiny.Pictures(model.Transform(Tiny.Vectors(_ml))));
        Assert.Contains(nameof(ConditionalDiffusionTransformer), e.ObjectName);
    }

    [TestMethod]
    public void Transformer_SavedAlone_LoadsAsItself()
    {
        using var transformer = Tiny.Fit(_ml, Tiny.Options);
        using var loaded = (ConditionalDiffusionTransformer)EstimatorConformance.Reload(_ml, transformer, Tiny.Keyed(_ml).Schema, out _);
        Tiny.AreClose(Tiny.Pictures(transformer.Transform(Tiny.Keyed(_ml))), Tiny.Pictures(loaded.Transform(Tiny.Keyed(_ml))));
    }

    [TestMethod]
    public void Transformer_SavedWithADataLoader_LoadsWithIt()
    {
        using var transformer = Tiny.Fit(_ml, Tiny.Options);
        var loader = _ml.Data.CreateTextLoader([new("Label", DataKind.UInt32, [new(0)], new KeyCount(3))]);
        using var file = new MemoryStream();
        _ml.Model.Save(transformer, loader, file);
        file.Position = 0;
        using var directory = new TemporaryDirectory();
        File.WriteAllLines(directory.File("labels.txt"), ["0", "2"]);

        var loaded = _ml.Model.LoadWithDataLoader(file, out var loadedLoader);
        Assert.HasCount(2, Tiny.Pictures(loaded.Transform(loadedLoader.Load(new MultiFileSource(directory.File("labels.txt"))))));
    }

    private sealed class Prediction
    {
        [ImageType(8, 8)]
        public MLImage? GeneratedImage { get; set; }
    }
}
