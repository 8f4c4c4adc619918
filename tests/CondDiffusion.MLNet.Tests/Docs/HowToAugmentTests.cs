using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Runs the code of docs/how-to-augment.md, on red cats and blue dogs.</summary>
[TestClass]
public sealed class HowToAugmentTests
{
    [TestMethod]
    public void Steps_AsTheyStand_EndWithAClassifier()
    {
        using var directory = new DocsDirectory();
        PhotoFolder.Draw("photos/train", cats: 4, dogs: 2);
        PhotoFolder.Draw("photos/test", cats: 2, dogs: 2);

        // snippet: 1. load
        var ml = new MLContext(seed: 1);
        IDataView train = ml.Data.LoadImageFolder("photos");                          // its split train
        IDataView test = ml.Data.LoadImageFolder("photos", new() { Split = "test" });
        // end
        Assert.AreEqual((6L, 4L), (train.GetRowCount(), test.GetRowCount()));

        // snippet: 2. options
        var options = new ConditionalDiffusionTrainer.Options
        {
            FeatureColumnName = "Image",    // images of any size
            Height = 32,                    // they are cropped and resized to this: multiples of 4
            Width = 32,
            Channels = 3,                   // 1 for grey images
            Epochs = 200,                   // the fewer images, the more epochs
            LabelBalance = 0.5,             // rare labels come more often than in the data
            Progress = new Progress<TrainingProgress>(
                step => Console.Write($"\repoch {step.Epoch} of {step.Epochs}, {step.TimeLeft.TotalHours:F1} h left ")),
        };
        // end
        options = Tiny.Shrink(options);

        // snippet: 3. train the generator
        var generating = ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion(options));
        var generator = generating.Fit(train);
        ml.Model.Save(generator, train.Schema, "generator.zip");
        // end
        using var disposableGenerator = generator.LastTransformer;

        // snippet: 4. look
        ConditionalDiffusionTransformer trained = generator.LastTransformer;
        var asAdded = ml.ImageGeneration.WithSampling(trained, trained.Sampling with { GuidanceScale = 1.25 });
        string[] labels = [.. trained.LabelValues!];
        IReadOnlyList<MLImage> images = asAdded.Generate([.. labels, .. labels, .. labels]);
        ImageGrid.Save(images, columns: labels.Length, "generated.png");
        // end
        Assert.AreSequenceEqual(["cat", "dog"], labels);
        using (var grid = MLImage.CreateFromFile("generated.png"))
            Assert.AreEqual((2 * 32 + 3, 3 * 32 + 4), (grid.Width, grid.Height));

        // snippet: 5. augment
        IDataView augmented = ml.ImageGeneration.Augment(train, generator);
        // end
        Assert.AreEqual(4, augmented.GetColumn<string>("Label").Count(label => label == "dog"));
        Assert.AreEqual(8, augmented.GetRowCount());

        // snippet: 6. train the classifiers
        var classifierOptions = new ConvolutionalNetworkTrainer.Options
        {
            FeatureColumnName = "Image",
            Height = 32,                    // the generator's size, so that generated images are as sharp as real ones
            Width = 32,
            Channels = 3,
            LabelBalance = 1,               // all labels come equally often, real or generated
            ShiftFraction = 0.07,           // each image is shifted and rotated a little in each step
            RotationDegrees = 5,
        };
        double more = (double)augmented.GetRowCount()!.Value / train.GetRowCount()!.Value;
        int epochs = (int)Math.Ceiling(classifierOptions.Epochs * more); // for as many steps on fewer images
        var before = CreateClassifier(classifierOptions with { Epochs = epochs }).Fit(train);
        var after = CreateClassifier(classifierOptions).Fit(augmented);

        IEstimator<ITransformer> CreateClassifier(ConvolutionalNetworkTrainer.Options options) =>
            ml.Transforms.Conversion.MapValueToKey("Label")
                .Append(ml.MulticlassClassification.Trainers.ConvolutionalNetwork(options))
                .Append(ml.Transforms.Conversion.MapKeyToValue("Seen", "PredictedLabel"));
        // end
        using var disposableBefore = (IDisposable)before;
        using var disposableAfter = (IDisposable)after;

        // snippet: 7. compare
        foreach (var classifier in new[] { before, after })
        {
            var metrics = ml.MulticlassClassification.Evaluate(classifier.Transform(test));
            Console.WriteLine($"recall: {metrics.MacroAccuracy:P1} in the mean over the labels");
            Console.WriteLine(metrics.ConfusionMatrix.GetFormattedConfusionTable());
        }
        // end

        // snippet: 8. save and use
        ml.Model.Save(after, train.Schema, "classifier.zip");

        ITransformer loaded = new MLContext().Model.Load("classifier.zip", out _);
        string[] seen = [.. loaded.Transform(test).GetColumn<string>("Seen")];
        // end
        using var disposableLoaded = (IDisposable)loaded;
        Assert.AreSequenceEqual(after.Transform(test).GetColumn<string>("Seen"), seen);
        Assert.HasCount(4, seen);
    }
}
