using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// How well a model denoises test images at fixed noise levels: the mean squared error of the velocity. It tells two
/// trainings apart long before their images do.
/// </summary>
internal static class DenoisingLoss
{
    private const int Images = 1000;
    private const int Batch = 50;

    /// <summary>The noise levels, sigma / alpha.</summary>
    public static readonly double[] Levels = [0.1, 0.3, 0.6, 1, 2, 4, 10, 80];

    /// <summary>Those at which images take shape.</summary>
    private static readonly double[] Shaping = [0.3, 0.6, 1, 2, 4];

    /// <summary>Returns the mean of the losses at the levels at which images take shape.</summary>
    public static double Mean(Dictionary<double, double> losses) => Shaping.Average(level => losses[level]);

    /// <summary>Returns the loss at each level, of the first thousand test images.</summary>
    public static Dictionary<double, double> Measure(ConditionalDiffusionTransformer model, IDataView test)
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

    /// <summary>Finds the row of a label, which the model may know by a word before the number.</summary>
    private static int IndexOf(ModelDescription model, uint label) =>
        model.Labels.Values!.Index().Single(value => value.Item.Split(' ')[^1] == $"{label}").Index;
}
