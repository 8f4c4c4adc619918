using CondDiffusion.MLNet.Tests.Evaluation;
using Microsoft.ML;

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
}
