using CondDiffusion.Examples;
using CondDiffusion.MLNet.Tests.Evaluation;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Runs the code of docs/evaluation.md.</summary>
[TestClass]
public sealed class EvaluationTests
{
    [TestMethod]
    public void Evaluate_AsItStands_MeasuresAndCompares()
    {
        var ml = new MLContext(seed: 1);
        IDataView generated = FeatureRows.View(ml, FeatureRows.Normal(1, 60, 4), Label, Label);
        IDataView test = FeatureRows.View(ml, FeatureRows.Normal(2, 60, 4), Label);
        IDataView training = FeatureRows.View(ml, FeatureRows.Normal(3, 100, 4), Label);
        // snippet: evaluate
        ImageGenerationMetrics metrics = ml.ImageGeneration.Evaluate(generated, test, new EvaluationOptions
        {
            FeatureColumnName = "Features",             // a vector of Single, in all three views
            LabelColumnName = "Label",                  // in the generated view: the label that was asked for
            PredictedLabelColumnName = "Predicted",     // in the generated view: what a classifier sees
            TrainingData = training,                    // what the generator was trained on
        });
        Console.WriteLine(metrics);
        Console.WriteLine(metrics.FrechetDistance / metrics.Floor!.FrechetDistance);
        ImageGenerationMetrics worst = metrics.PerLabel.MinBy(label => label.Coverage)!;
        // end
        Assert.HasCount(2, metrics.PerLabel);
        Assert.AreEqual(1, worst.LabelAccuracy);

        static string Label(int row) => row % 2 == 0 ? "3" : "8";
    }

    [TestMethod]
    public void Classifier_AsItStands_HasTheFeatures()
    {
        var ml = new MLContext(seed: 1);
        IDataView realTraining = DrawnDigits.Load(ml, 40, seed: 1);
        IDataView generatedImages = DrawnDigits.Load(ml, 20, seed: 2);
        // snippet: classifier
        var pipeline = ml.Transforms.Conversion.MapValueToKey("Key", "Label")
            .Append(ml.MulticlassClassification.Trainers.ConvolutionalNetwork(new ConvolutionalNetworkTrainer.Options
            {
                LabelColumnName = "Key",
                FeatureColumnName = "Image",                // images of any size, or vectors in [-1, 1]
                FeaturesColumnName = "Features",            // 256 numbers, before the last layer
                Epochs = 5,
                ShiftFraction = 0.07,                       // a way of its own for each image in each step
                RotationDegrees = 5,
                ScaleFraction = 0.07,
            }));
        ConvolutionalNetworkTransformer classifier = pipeline.Fit(realTraining).LastTransformer;
        IDataView seen = classifier.Transform(generatedImages);
        // end
        Assert.IsTrue(seen.GetColumn<float[]>("Features").All(features => features.Length == 256));
        classifier.Dispose();
    }

    [TestMethod]
    public void Score_AsItStands_HasACeiling()
    {
        var ml = new MLContext(seed: 1);
        IDataView realTraining = DrawnDigits.Load(ml, 20, seed: 1);
        IDataView realTest = DrawnDigits.Load(ml, 20, seed: 2);
        IDataView generatedImages = DrawnDigits.Load(ml, 20, seed: 3);
        // snippet: score
        ClassificationAccuracyScore score = ml.ImageGeneration.ClassificationAccuracyScore(
            generatedImages, realTest, new ClassificationAccuracyOptions
            {
                RealData = realTraining,                    // for the ceiling
            });
        Console.WriteLine(score);                           // trained on 10000 images, tested on 10000: ... %
        double behind = score.Ceiling!.Accuracy - score.Accuracy;
        // end
        Assert.HasCount(3, score.Accuracies);
        Assert.IsInRange(-1, 1, behind);
    }
}
