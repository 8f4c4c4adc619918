using System.Diagnostics;
using CondDiffusion.Examples;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using Microsoft.ML.Data;
using static TorchSharp.torch;
using Options = CondDiffusion.MLNet.ConditionalDiffusionTrainer.Options;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// What each option of the trainer does to the pictures: one small model for each, alike in all else, scored on pictures drawn from the
/// same noise.
/// </summary>
internal sealed class QualityBenchmark(ImageScore score, ImageStore images, Options options, ScalarType type, string? file, string? pictures)
{
    private const int Labels = 10, PicturesPerLabel = 200, DrawnAtOnce = 200, Steps = 50;

    /// <summary>Measures every variant.</summary>
    public static void Run(Arguments arguments)
    {
        var options = new Options
        {
            Height = 28,
            Width = 28,
            ChannelWidths = [16, 32, 64],
            LabelDropout = 0,
            Prediction = PredictionTarget.Noise,
            Epochs = arguments.Number("--epochs", 5),
            Seed = 1,
            ProgressInterval = TimeSpan.FromMinutes(1),
        };
        var type = TorchDevice.ChooseDataType(Precision.Auto, TorchDevice.Choose(gpuDeviceId: null, fallbackToCpu: true));
        var shape = options.NetworkShape(Labels);
        var data = arguments.Text("--data");
        var training = MnistImages.Read(data, MnistSplit.Train, shape);
        var images = MnistImages.Read(data, MnistSplit.Train, shape, arguments.Number("--images", 60_000));
        using var score = new ImageScore(training, MnistImages.Read(data, MnistSplit.Test, shape), shape, PicturesPerLabel);
        new QualityBenchmark(score, images, options, type, arguments.Find("--out"), arguments.Find("--pictures")).Run();
    }

    private void Run()
    {
        var measured = file is null || !File.Exists(file) ? [] : File.ReadLines(file).ToArray(); // what an interrupted run left
        if (measured.Length == 0)
        {
            var steps = (images.Count + options.BatchSize - 1) / options.BatchSize * options.Epochs;
            Print(
                $"{steps} steps of {options.BatchSize} images ({images.Count} images, {options.Epochs} epochs), widths " +
                $"{string.Join(", ", options.ChannelWidths)}, {type}; {Labels * PicturesPerLabel} pictures by DDIM in {Steps} steps; the classifier gets " +
                $"{score.TestAccuracy:P2} of the test images right.\n");
            Print("| | labels right | Fréchet distance |\n| --- | --- | --- |");
            Print($"| as many training images | {score.Floor.Accuracy:P1} | {score.Floor.Frechet:F1} |");
        }
        // Those that draw otherwise, or average otherwise, share a training.
        foreach (var training in QualityVariant.All.GroupBy(variant => variant.Change(options) with { MovingAverageDecay = 0 }))
        {
            var missing = training.Where(variant => !measured.Any(line => line.StartsWith($"| {variant.Name} |", StringComparison.Ordinal))).ToArray();
            if (missing.Length > 0) Train(training.Key, missing);
        }
    }

    /// <summary>Trains once, and draws with each variant.</summary>
    private void Train(Options training, QualityVariant[] variants)
    {
        var seed = (ulong)training.Seed!.Value;
        using var network = ConditionalUNet.Create(training.NetworkShape(Labels), CPU, SeedStream.InitialWeights(seed));
        var schedule = NoiseSchedule.Create(training.Schedule, training.Timesteps);
        var averages = variants.Select(variant => new MovingAverage(network, variant.Change(options).MovingAverageDecay)).ToArray();
        try
        {
            var settings = training.LoopSettings(seed, type);
            using var loop = new TrainingLoop(network, schedule, settings);
            var plan = new EpochPlan(images.Count, settings);
            var start = Environment.CpuUsage.TotalTime;
            foreach (var step in loop.Steps(images, plan))
            {
                foreach (var average in averages) average.Update(step.Number);
                if (!step.EndsEpoch) continue;

                var minutes = (Environment.CpuUsage.TotalTime - start).TotalMinutes;
                Console.Error.WriteLine(
                    $"{variants[0].Name}: step {step.Number} of {plan.Steps}, loss {step.Loss.item<float>():F5}, " +
                    $"{minutes:F1} processor minutes");
            }

            foreach (var (variant, average) in variants.Zip(averages))
            {
                average.Swap();
                var (accuracy, distance) = Score(variant.Guidance, variant.Name);
                average.Swap();
                Print($"| {variant.Name} | {accuracy:P1} | {distance:F1} |");
            }
        }
        finally
        {
            foreach (var average in averages) average.Dispose();
        }

        (double Accuracy, double Frechet) Score(double guidance, string name)
        {
            using var scope = NewDisposeScope();
            var (drawn, labels) = Draw(network, schedule, training.Prediction, guidance);
            SavePictures(drawn, name);
            return score.Compute(drawn, labels);
        }
    }

    private (Tensor Pictures, Tensor Labels) Draw(
        ConditionalUNet network, NoiseSchedule schedule, PredictionTarget target, double guidance)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var random = new Generator(1, CPU);
        long[] rows = [.. Enumerable.Range(0, DrawnAtOnce).Select(i => (long)i % Labels)];
        var labels = tensor(rows, ScalarType.Int64, CPU);
        var timesteps = Timesteps.Choose(schedule, StepSpacing.Trailing, Steps);
        var guided = new GuidedRows([.. rows.Select(_ => (float)guidance)]);
        var evaluations = tensor(guided.LabelsOf(rows, LabelRow.None), ScalarType.Int64, CPU);
        var denoiser = Denoisers
            .Guide(Network(labels), Network(evaluations), guided, isGuided: _ => true)
            .ClipImage();

        const int Draws = Labels * PicturesPerLabel / DrawnAtOnce;
        var shape = network.Shape;
        var pictures = Enumerable.Range(0, Draws).Select(_ => DdimSampler.Sample(
            denoiser, schedule, timesteps, randn([DrawnAtOnce, shape.Channels, shape.Height, shape.Width], generator: random), eta: 0,
            noise: _ => throw new UnreachableException())).ToArray();
        return (cat(pictures).clamp_(-1, 1).MoveToOuterDisposeScope(), labels.repeat(Draws).MoveToOuterDisposeScope());

        Denoiser Network(Tensor labels) => (xt, t, step) =>
        {
            var prediction = network.Forward(xt, full([xt.shape[0]], t, ScalarType.Int64), labels, type: type);
            return target.Image(prediction, xt, schedule.Alpha(t), schedule.Sigma(t));
        };
    }

    /// <summary>The first hundred, a column for each label.</summary>
    private void SavePictures(Tensor drawn, string name)
    {
        if (pictures is null) return;
        var cells = PixelConversion.ToImages(
            drawn.narrow(0, 0, 100).contiguous().data<float>().ToArray(), options.NetworkShape(Labels).ToImageShape());
        ImageGrid.Save(cells, columns: Labels, Path.Combine(pictures, $"{name}.png"), scale: 2);
        foreach (var cell in cells) cell.Dispose();
    }

    private void Print(string line)
    {
        Console.WriteLine(line);
        if (file is not null) File.AppendAllText(file, line + "\n");
    }
}
