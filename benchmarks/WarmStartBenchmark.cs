using System.Diagnostics;
using System.Globalization;
using CondDiffusion.Examples;
using Microsoft.ML;
using Microsoft.ML.Data;
using Options = CondDiffusion.MLNet.ConditionalDiffusionTrainer.Options;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Trains on few images, whose labels a model does not know: from that model, and from nothing for five times as many
/// epochs.
/// </summary>
internal static class WarmStartBenchmark
{
    private const int Images = 200;
    private const int Ratio = 5;

    public static void Run(Arguments arguments)
    {
        var data = arguments.Find("--data") ?? "fashion-mnist";
        var epochs = arguments.Number("--epochs", 5);
        var rate = arguments.FindDouble("--learning-rate");
        var ml = new MLContext(seed: 1);
        var images = ml.Data.TakeRows(DataSet.Load(ml, data, arguments.Find("--data-dir")), Images);
        var test = DataSet.Load(ml, data, arguments.Find("--data-dir"), MnistSplit.Test);
        var start = InitialModel.FromFile(arguments.Find("--model") ?? "models/mnist-undistilled.zip");

        Console.WriteLine($"{Images} images of {data}: the loss of 1,000 test images, mean of the levels 0.3 to 4.");
        Console.WriteLine();
        Console.WriteLine("| seed | from the model | seconds | from nothing | seconds |");
        Console.WriteLine("| --- | --- | --- | --- | --- |");
        foreach (var seed in Enumerable.Range(1, arguments.Number("--seeds", 1)))
        {
            var options = new Options
            {
                FeatureColumnName = "Image",
                BatchSize = 50,
                LearningRate = rate,
                WarmUpSteps = 20,
                Seed = seed,
            };
            var warm = Train(options with { InitialModel = start, Epochs = epochs });
            var cold = Train(options with { Epochs = Ratio * epochs });
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {seed} | {warm.Loss:F4} | {warm.Seconds:F0} | {cold.Loss:F4} | {cold.Seconds:F0} |"));
        }

        (double Loss, double Seconds) Train(Options options)
        {
            var clock = Stopwatch.StartNew();

            // Labels that the model does not know, though it may know their numbers.
            var pipeline = ml.Transforms.Conversion.ConvertType("Label", outputKind: DataKind.String)
                .Append(ml.Transforms.Expression("Label", "label => concat(\"new \", label)", "Label"))
                .Append(ml.Transforms.Conversion.MapValueToKey("Label"))
                .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion(options));
            using var model = pipeline.Fit(images);
            var seconds = clock.Elapsed.TotalSeconds;
            return (DenoisingLoss.Mean(DenoisingLoss.Measure(model.LastTransformer, test)), seconds);
        }
    }
}
