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

    /// <summary>
    /// The classifier sees nothing but generated images, and is tested on images of other rows: it can be right only if
    /// the images show what their labels were trained on.
    /// </summary>
    [TestMethod]
    public void Pipeline_OfMLNetsEstimatorsAroundTheTrainer_TrainsAClassifierOnGeneratedImages()
    {
        var options = Tiny.AnimalOptions with
        {
            ChannelWidths = [8, 8, 8],
            EmbeddingSize = 8,
            Schedule = BetaSchedule.Cosine,
            Timesteps = 100,
            Epochs = 60,
            BatchSize = 10,
            LearningRate = 5e-3,
            GenerationBatchSize = null,
        };
        var pipeline = _ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8)
            .Append(_ml.Transforms.CopyColumns("Animal", "Name"))
            .Append(_ml.Transforms.Text.NormalizeText("Animal"))
            .Append(_ml.Transforms.Conversion.MapValueToKey("Label", "Animal"))
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(options))
            .Append(_ml.Transforms.ResizeImages("Resized", 4, 4, "GeneratedImage"))
            .Append(_ml.Transforms.ConvertToGrayscale("Grey", "Resized"))
            .Append(_ml.Transforms.ExtractPixels("Levels", "Grey", ImagePixelExtractingEstimator.ColorBits.Red))
            .Append(_ml.Transforms.NormalizeMinMax("Features", "Levels"))
            .AppendCacheCheckpoint(_ml)
            .Append(_ml.MulticlassClassification.Trainers.SdcaMaximumEntropy(maximumNumberOfIterations: 20))
            .Append(_ml.Transforms.Conversion.MapKeyToValue("Predicted", "PredictedLabel"));

        var model = pipeline.Fit(_ml.Data.LoadFromEnumerable(GreyAnimals(30)));

        var other = _ml.Data.SkipRows(_ml.Data.LoadFromEnumerable(Names(60)), 30);
        var generated = model.Transform(other);
        var levels = generated.GetColumn<float[]>("Levels").Select(image => image.Average()).ToArray();
        for (var animal = 0; animal < 3; animal++)
        {
            var level = levels.Where((_, row) => row % 3 == animal).Average();
            Assert.AreEqual(GreyLevel(animal), level, 40f, $"the mean level of animal {animal}");
        }

        Assert.IsGreaterThan(0.9, _ml.MulticlassClassification.Evaluate(generated).MicroAccuracy);

        var expected = generated.GetColumn<string>("Predicted").ToArray();
        var loaded = EstimatorConformance.Reload(_ml, model, other.Schema, out _);
        Assert.AreSequenceEqual(expected, loaded.Transform(other).GetColumn<string>("Predicted").ToArray());

        using var engine = Tiny.Engine<Tiny.NameRow>(_ml, model, owns: true);
        Assert.IsNotNull(engine.Predict(new() { Name = "DOG" }).GeneratedImage);
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
        foreach (var part in new ITransformer[] { model, model.GetModelFor(TransformerScope.Scoring) })
        {
            Tiny.AreClose(expected, Tiny.ImageBytes(part.Transform(names)));
            using (var engine = Tiny.Engine<Tiny.NameRow>(_ml, part))
                Tiny.AreClose([expected[0]], [engine.Predict(new() { Name = "eel" }).GeneratedImage!.Pixels.ToArray()]);

            using var file = new MemoryStream();
            _ml.Model.Save(part, null, file);
            file.Position = 0;
            var loaded = new MLContext().Model.Load(file, out var schema);
            Assert.IsNull(schema);
            Tiny.AreClose(expected, Tiny.ImageBytes(loaded.Transform(names)));
            using var loadedEngine = Tiny.Engine<Tiny.NameRow>(_ml, loaded, owns: true);
            Assert.IsNotNull(loadedEngine.Predict(new() { Name = "eel" }).GeneratedImage);
        }

        model.Dispose();
    }

    [TestMethod]
    public void Pipeline_FromAFolderOfFiles_TrainsAndServesTheWholeChain()
    {
        using var directory = new TemporaryDirectory();
        var files = Files(directory);
        var photos = _ml.Transforms.LoadImages("Image", directory.Path, nameof(ImageFile.Path))
            .Fit(files).Transform(files);

        var model = Pipeline().Fit(photos);

        var names = _ml.Data.LoadFromEnumerable([new Tiny.NameRow { Name = "eel" }, new Tiny.NameRow { Name = "cat" }]);
        var expected = ExpectedOfFiles(names);
        using var file = new MemoryStream();
        _ml.Model.Save(model, null, file);
        file.Position = 0;
        var loaded = new MLContext().Model.Load(file, out _);
        Tiny.AreClose(expected, Tiny.ImageBytes(loaded.Transform(names)));
        using var engine = Tiny.Engine<Tiny.NameRow>(_ml, loaded, owns: true);
        Tiny.AreClose([expected[0]], [engine.Predict(new() { Name = "eel" }).GeneratedImage!.Pixels.ToArray()]);
        model.Dispose();
    }

    /// <summary>
    /// LoadImages runs wherever its chain does, so in the chain it has a scope: generating needs no files.
    /// </summary>
    [TestMethod]
    public void Pipeline_ThatLoadsImagesInTraining_IsSavedWholeAndServesItsScoringPart()
    {
        using var directory = new TemporaryDirectory();
        var load = _ml.Transforms.LoadImages("Image", directory.Path, nameof(ImageFile.Path));
        var pipeline = new EstimatorChain<ITransformer>()
            .Append(load, TransformerScope.TrainTest)
            .Append(_ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8))
            .Append(_ml.Transforms.Conversion.MapValueToKey("Label", "Name"))
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions));

        using var model = pipeline.Fit(Files(directory));

        var names = _ml.Data.LoadFromEnumerable([new Tiny.NameRow { Name = "eel" }, new Tiny.NameRow { Name = "cat" }]);
        var expected = ExpectedOfFiles(names);
        var loaded = (TransformerChain<ITransformer>)EstimatorConformance.Reload(_ml, model, null, out _);
        Tiny.AreClose(expected, Tiny.ImageBytes(loaded.Transform(names)));
        using var engine = Tiny.Engine<Tiny.NameRow>(_ml, loaded.GetModelFor(TransformerScope.Scoring), owns: true);
        Tiny.AreClose([expected[0]], [engine.Predict(new() { Name = "eel" }).GeneratedImage!.Pixels.ToArray()]);
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

    private EstimatorChain<ConditionalDiffusionTransformer> Pipeline() =>
        _ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8)
            .Append(_ml.Transforms.Conversion.MapValueToKey("Label", "Name"))
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions));

    /// <summary>Saves the images of <see cref="Tiny.Photos"/> as files, and returns rows with their paths.</summary>
    private IDataView Files(TemporaryDirectory directory)
    {
        var images = Tiny.Photos(_ml).GetColumn<MLImage>("Image").ToArray();
        var names = Tiny.Photos(_ml).GetColumn<string>("Name").ToArray();
        for (var i = 0; i < images.Length; i++)
            images[i].Save(directory.File($"{i}.png"));

        return _ml.Data.LoadFromEnumerable(
            names.Select((name, i) => new ImageFile { Name = name, Path = $"{i}.png" }).ToArray());
    }

    /// <summary>Generates what a training on the same images in memory would.</summary>
    private byte[][] ExpectedOfFiles(IDataView names)
    {
        using var model = Pipeline().Fit(Tiny.Photos(_ml));
        return Tiny.ImageBytes(model.Transform(names));
    }

    private static string Name(int row) => new[] { "cat", "dog", "eel" }[row % 3];

    private static byte GreyLevel(int animal) => (byte)(20 + 100 * animal);

    private static IEnumerable<Tiny.NameRow> Names(int count) =>
        Enumerable.Range(0, count).Select(row => new Tiny.NameRow { Name = Name(row) });

    /// <summary>Returns images of one grey each: all cats are dark, all eels light.</summary>
    private static IEnumerable<Tiny.Photo> GreyAnimals(int count) => Enumerable.Range(0, count).Select(row =>
    {
        var level = GreyLevel(row % 3);
        return new Tiny.Photo { Name = Name(row), Image = TestImages.Plain(10, 12, level, level, level) };
    });

    private sealed class ImageFile : Tiny.NameRow
    {
        public string Path { get; set; } = "";
    }
}
