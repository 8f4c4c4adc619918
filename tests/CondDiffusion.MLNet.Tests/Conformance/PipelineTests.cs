using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Conformance;

/// <summary>Uses the trainer among ML.NET's own estimators.</summary>
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
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions))
            .Append(_ml.Transforms.ResizeImages("Resized", 4, 4, "GeneratedImage"))
            .Append(_ml.Transforms.ConvertToGrayscale("Grey", "Resized"))
            .Append(_ml.Transforms.ExtractPixels("Levels", "Grey", ImagePixelExtractingEstimator.ColorBits.Red))
            .Append(_ml.Transforms.NormalizeMinMax("Levels"))
            .Append(_ml.Transforms.Concatenate("Features", "Levels", "Number"))
            .AppendCacheCheckpoint(_ml)
            .Append(_ml.MulticlassClassification.Trainers.SdcaMaximumEntropy(maximumNumberOfIterations: 5))
            .Append(_ml.Transforms.Conversion.MapKeyToValue("Predicted", "PredictedLabel"));

        var model = pipeline.Fit(Tiny.Photos(_ml)).GetModelFor(TransformerScope.Scoring);
        var expected = model.Transform(Tiny.Animals(_ml)).GetColumn<string>("Predicted").ToArray();
        var loaded = EstimatorConformance.Reload(_ml, model, Tiny.Animals(_ml).Schema, out _);
        Assert.AreSequenceEqual(expected, loaded.Transform(Tiny.Animals(_ml)).GetColumn<string>("Predicted").ToArray());
        Assert.IsEmpty(expected.Except(["cat", "dog", "eel"]));

        // The number tells the labels apart whatever the images show.
        var metrics = _ml.MulticlassClassification.Evaluate(model.Transform(Tiny.Animals(_ml)));
        Assert.IsGreaterThan(0.6, metrics.MicroAccuracy);

        using var engine = Tiny.Engine<Tiny.Animal>(_ml, model, owns: true);
        Assert.IsNotNull(engine.Predict(new() { Name = "DOG", Number = 1.1f }).GeneratedImage);
    }

    [TestMethod]
    public void Pipeline_FittedOnImages_ScoresRowsThatHaveNone()
    {
        var model = _ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8)
            .Append(_ml.Transforms.Conversion.MapValueToKey("Label", "Name"))
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions))
            .Fit(Tiny.Photos(_ml));
        var names = _ml.Data.LoadFromEnumerable([new Tiny.NameRow { Name = "eel" }, new Tiny.NameRow { Name = "cat" }]);

        var expected = Tiny.ImageBytes(model.Transform(names));
        using var file = new MemoryStream();
        _ml.Model.Save(model.GetModelFor(TransformerScope.Scoring), null, file);
        file.Position = 0;
        var loaded = new MLContext().Model.Load(file, out var schema);
        Assert.IsNull(schema);
        Tiny.AreClose(expected, Tiny.ImageBytes(loaded.Transform(names)));

        var scoring = model.GetModelFor(TransformerScope.Scoring);
        using var engine = Tiny.Engine<Tiny.NameRow>(_ml, scoring, owns: true);
        Tiny.AreClose([expected[0]], [engine.Predict(new() { Name = "eel" }).GeneratedImage!.Pixels.ToArray()]);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Tiny.Engine<Tiny.NameRow>(_ml, model));
    }

    [TestMethod]
    public void PredictionEngine_CalledAgain_GeneratesAnother()
    {
        var model = _ml.Transforms.Conversion.MapValueToKey("Label", "Name")
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions))
            .Fit(Tiny.Animals(_ml));
        using var engine = Tiny.Engine<Tiny.NameRow>(_ml, model, owns: true);
        var rows = Enumerable.Repeat(new Tiny.NameRow { Name = "cat" }, 3);
        var images = rows.Select(row => engine.Predict(row).GeneratedImage!.Pixels.ToArray()).ToArray();
        Assert.AreNotSequenceEqual(images[0], images[1]);
        Tiny.AreClose(images, Tiny.ImageBytes(model.Transform(_ml.Data.LoadFromEnumerable(rows))));
    }

    [TestMethod]
    public void PredictionEngine_Disposed_DisposesTheTransformer()
    {
        var model = _ml.Transforms.Conversion.MapValueToKey("Label", "Name")
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions))
            .Fit(Tiny.Animals(_ml));
        _ml.Model.CreatePredictionEngine<Tiny.NameRow, Tiny.GeneratedRow>(model).Dispose();
        var view = model.Transform(Tiny.Animals(_ml));
        var e = Assert.ThrowsExactly<ObjectDisposedException>(() => Tiny.ImageBytes(view));
        Assert.Contains(nameof(ConditionalDiffusionTransformer), e.ObjectName);
    }

    [TestMethod]
    public void Transformer_SavedAlone_LoadsAsItself()
    {
        using var transformer = Tiny.FitAnimals(_ml);
        var animals = Tiny.KeyedAnimals(_ml);
        using var loaded = (ConditionalDiffusionTransformer)EstimatorConformance.Reload(
            _ml, transformer, animals.Schema, out _);
        Tiny.AreClose(Tiny.ImageBytes(transformer.Transform(animals)), Tiny.ImageBytes(loaded.Transform(animals)));
    }

    [TestMethod]
    public void Transformer_SavedWithADataLoader_LoadsWithIt()
    {
        using var transformer = Tiny.FitAnimals(_ml);
        var loader = _ml.Data.CreateTextLoader([new("Label", DataKind.UInt32, [new(0)], new KeyCount(3))]);
        using var file = new MemoryStream();
        _ml.Model.Save(transformer, loader, file);
        file.Position = 0;
        using var directory = new TemporaryDirectory();
        File.WriteAllLines(directory.File("labels.txt"), ["0", "2"]);

        var loaded = _ml.Model.LoadWithDataLoader(file, out var loadedLoader);
        var rows = loadedLoader.Load(new MultiFileSource(directory.File("labels.txt")));
        Assert.HasCount(2, Tiny.ImageBytes(loaded.Transform(rows)));
    }
}
