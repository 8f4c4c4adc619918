using System.Globalization;
using CondDiffusion.Examples;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Measures how well trainings denoise test images at fixed noise levels: the mean squared error of the velocity. It
/// tells two trainings apart long before their images do.
/// </summary>
internal static class LossBenchmark
{
    private const int Images = 1000;
    private const int Batch = 50;

    /// <summary>Noise levels, sigma / alpha; the mean is of those at which digits take shape.</summary>
    private static readonly double[] Levels = [0.1, 0.3, 0.6, 1, 2, 4, 10, 80];

    private static readonly double[] Shaping = [0.3, 0.6, 1, 2, 4];

    public static void Run(Arguments arguments)
    {
        var meter = new QualityMeter(arguments, "");
        var epochs = arguments.Number("--epochs", 1);
        Console.WriteLine(Row("training", Levels.Select(level => Text(level)), "mean of 0.3 to 4"));
        Console.WriteLine(Row("---", Levels.Select(_ => "---"), "---"));
        foreach (var seed in Enumerable.Range(1, arguments.Number("--seeds", 1)))
        {
            foreach (var training in arguments.Text("--trainings").Split(',').Select(QualityTraining.Find))
            {
                using var model = QualityBenchmark.Train(meter, arguments, training, epochs, seed);
                var losses = Measure(model, meter.Test);
                Console.WriteLine(Row(
                    $"{training.Name}, {epochs} epochs, seed {seed}",
                    Levels.Select(level => Loss(losses[level])),
                    Loss(Shaping.Average(level => losses[level]))));
            }
        }
    }

    private static Dictionary<double, double> Measure(ConditionalDiffusionTransformer model, IDataView test)
    {
        var description = ((ITrainedModel)model).Description;
        var schedule = description.CreateSchedule();
        var timesteps = Levels.ToDictionary(level => level, level => FindTimestep(schedule, level));
        var losses = Levels.ToDictionary(level => level, _ => 0.0);
        model.Generator.UseNetwork(network =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            using var generator = new Generator(1, CPU);
            foreach (var (images, labels) in Batches(description, test))
            {
                using var batch = NewDisposeScope();
                var x0 = tensor(images, ScalarType.Float32, CPU).view([Batch, .. network.ImageSize]);
                var eps = randn(x0.shape, ScalarType.Float32, CPU, generator: generator);
                var rows = tensor(labels, ScalarType.Int64, CPU);
                foreach (var (level, t) in timesteps)
                {
                    var loss = Compute(network, description.Prediction, schedule, x0, eps, rows, t);
                    losses[level] += loss * Batch / Images;
                }
            }
        });
        return losses;
    }

    private static int FindTimestep(NoiseSchedule schedule, double level) => Enumerable.Range(1, schedule.Timesteps)
        .MinBy(t => Math.Abs(Math.Log(schedule.NoiseLevel(t) / level)));

    private static double Compute(
        ConditionalUNet network,
        PredictionTarget prediction,
        NoiseSchedule schedule,
        Tensor x0,
        Tensor eps,
        Tensor labels,
        int t)
    {
        var xt = schedule.Alpha(t) * x0 + schedule.Sigma(t) * eps;
        var noise = full([Batch], network.Shape.NoiseAt(schedule, t), ScalarType.Float32, CPU);
        var image = prediction.Image(
            network.Forward(xt, noise, labels), xt, schedule.Alpha(t), schedule.Sigma(t));

        // The error of the velocity is that of the image over sigma.
        return (image - x0).square().mean().item<float>() / Math.Pow(schedule.Sigma(t), 2);
    }

    private static IEnumerable<(float[] Pixels, long[] Labels)> Batches(ModelDescription model, IDataView test)
    {
        var ml = new MLContext();
        var pixels = ml.Transforms.NormalizeImages("Pixels", "Image", model.Network.Width, model.Network.Height)
            .Normalize(ml.Data.TakeRows(test, Images));
        return pixels.GetColumn<float[]>("Pixels")
            .Zip(pixels.GetColumn<uint>("Label"), (values, label) => (values, Row: IndexOf(model, label)))
            .Chunk(Batch)
            .Select(rows => (
                rows.SelectMany(row => row.values).ToArray(),
                rows.Select(row => (long)row.Row).ToArray()));
    }

    private static int IndexOf(ModelDescription model, uint label) =>
        model.Labels.Values!.Index().Single(value => value.Item == $"{label}").Index;

    private static string Row(string name, IEnumerable<string> losses, string mean) =>
        $"| {name} | {string.Join(" | ", losses)} | {mean} |";

    private static string Loss(double value) => value.ToString("F4", CultureInfo.InvariantCulture);

    private static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
}
