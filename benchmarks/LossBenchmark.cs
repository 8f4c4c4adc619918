using System.Globalization;
using CondDiffusion.Examples;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>Measures how well the models of trainings denoise test images.</summary>
internal static class LossBenchmark
{
    public static void Run(Arguments arguments)
    {
        var meter = new QualityMeter(arguments, "");
        var epochs = arguments.Number("--epochs", 1);
        Console.WriteLine(Row("training", DenoisingLoss.Levels.Select(level => Text(level)), "mean of 0.3 to 4"));
        Console.WriteLine(Row("---", DenoisingLoss.Levels.Select(_ => "---"), "---"));
        foreach (var seed in Enumerable.Range(1, arguments.Number("--seeds", 1)))
        {
            foreach (var training in arguments.List("--trainings").Select(QualityTraining.Find))
            {
                using var model = QualityBenchmark.Train(meter, arguments, training, epochs, seed).Generator;
                var losses = DenoisingLoss.Measure(model, meter.Test);
                Console.WriteLine(Row(
                    $"{training.Name}, {epochs} epochs, seed {seed}",
                    DenoisingLoss.Levels.Select(level => Loss(losses[level])),
                    Loss(DenoisingLoss.Mean(losses))));
            }
        }
    }

    private static string Row(string name, IEnumerable<string> losses, string mean) =>
        $"| {name} | {string.Join(" | ", losses)} | {mean} |";

    private static string Loss(double value) => value.ToString("F4", CultureInfo.InvariantCulture);

    private static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
}
