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
/// Measures what each option of the trainer does to the images: one small model for each, alike in all else, scored on
/// images generated from the same noise.
/// </summary>
internal sealed class QualityBenchmark(
    ImageScore score, ImageStore images, Options options, ScalarType type, string? file, string? pictures)
{
    private const int Labels = 10;
    private const int ImagesPerLabel = 200;
    private const int BatchSize = 200;
    private const int Steps = 50;

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
        var device = TorchDevice.Choose(gpuDeviceId: null, fallbackToCpu: true);
        var type = TorchDevice.ChooseDataType(Precision.Auto, device);
        var shape = options.NetworkShape(Labels);
        var data = arguments.Text("--data");
        var training = MnistImages.Read(data, MnistSplit.Train, shape);
        var images = MnistImages.Read(data, MnistSplit.Train, shape, arguments.Number("--images", 60_000));
        var test = MnistImages.Read(data, MnistSplit.Test, shape);
        using var score = new ImageScore(training, test, shape, ImagesPerLabel);
        new QualityBenchmark(score, images, options, type, arguments.Find("--out"), arguments.Find("--pictures")).Run();
    }

    private void Run()
    {
        // What an interrupted run left.
        var measured = file is null || !File.Exists(file) ? [] : File.ReadLines(file).ToArray();
        if (measured.Length == 0)
        {
            var steps = (images.Count + options.BatchSize - 1) / options.BatchSize * options.Epochs;
            Print(
                $"{steps} steps of {options.BatchSize} images ({images.Count} images, {options.Epochs} epochs), " +
                $"widths {string.Join(", ", options.ChannelWidths)}, {type}; {Labels * ImagesPerLabel} images by " +
                $"DDIM in {Steps} steps; the classifier gets {score.TestAccuracy:P2} of the test images right.\n");
            Print("| | labels right | Fréchet distance |\n| --- | --- | --- |");
            Print($"| as many training images | {score.Floor.Accuracy:P1} | {score.Floor.Frechet:F1} |");
        }

        // Those that differ in the sampling or the average alone share a training.
        var trainings = QualityVariant.All.GroupBy(variant => variant.Change(options) with { MovingAverageDecay = 0 });
        foreach (var training in trainings)
        {
            var missing = training.Where(variant => !IsMeasured(variant)).ToArray();
            if (missing.Length > 0) Train(training.Key, missing);
        }

        bool IsMeasured(QualityVariant variant) =>
            measured.Any(line => line.StartsWith($"| {variant.Name} |", StringComparison.Ordinal));
    }

    /// <summary>Trains once, and generates with each variant.</summary>
    private void Train(Options training, QualityVariant[] variants)
    {
        var seed = (ulong)training.Seed!.Value;
        using var network = ConditionalUNet.Create(training.NetworkShape(Labels), CPU, SeedStream.InitialWeights(seed));
        var schedule = NoiseSchedule.Create(training.Schedule, training.Timesteps);
        MovingAverage[] averages =
        [
            .. variants.Select(variant => new MovingAverage(network, variant.Change(options).MovingAverageDecay)),
        ];
        try
        {
            var settings = training.LoopSettings(seed, type);
            using var loop = new TrainingLoop(network, settings.CreateLoss(network, schedule), settings);
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
            var (generated, labels) = Generate(network, schedule, training.Prediction, guidance);
            Save(generated, name);
            return score.Compute(generated, labels);
        }
    }

    private (Tensor Images, Tensor Labels) Generate(
        ConditionalUNet network, NoiseSchedule schedule, PredictionTarget target, double guidance)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var random = new Generator(1, CPU);
        long[] rows = [.. Enumerable.Range(0, BatchSize).Select(i => (long)i % Labels)];
        var labels = tensor(rows, ScalarType.Int64, CPU);
        var timesteps = Timesteps.Choose(schedule, StepSpacing.Trailing, Steps);
        var guided = new GuidedRows([.. rows.Select(_ => (float)guidance)]);
        var evaluations = tensor(guided.LabelsOf(rows, LabelRow.None), ScalarType.Int64, CPU);
        var denoiser = Denoisers
            .Guide(Network(labels), Network(evaluations), guided, isGuided: _ => true)
            .ClipImage();

        const int Batches = Labels * ImagesPerLabel / BatchSize;
        long[] shape = [BatchSize, network.Shape.Channels, network.Shape.Height, network.Shape.Width];
        var batches = new Tensor[Batches];
        for (var i = 0; i < Batches; i++)
        {
            var start = randn(shape, ScalarType.Float32, CPU, generator: random);
            batches[i] = DdimSampler.Sample(
                denoiser, schedule, timesteps, start, eta: 0, noise: _ => throw new UnreachableException());
        }

        var generated = cat(batches).clamp_(-1, 1);
        return (generated.MoveToOuterDisposeScope(), labels.repeat(Batches).MoveToOuterDisposeScope());

        Denoiser Network(Tensor labels) => (xt, t, step) =>
        {
            var prediction = network.Forward(xt, full([xt.shape[0]], t, ScalarType.Int64, CPU), labels, type: type);
            return target.Image(prediction, xt, schedule.Alpha(t), schedule.Sigma(t));
        };
    }

    /// <summary>Saves the first hundred images, with a column for each label.</summary>
    private void Save(Tensor generated, string name)
    {
        if (pictures is null) return;

        var pixels = generated.narrow(0, 0, 100).contiguous().data<float>().ToArray();
        var cells = PixelConversion.ToImages(pixels, options.NetworkShape(Labels).ToImageShape());
        ImageGrid.Save(cells, columns: Labels, Path.Combine(pictures, $"{name}.png"), scale: 2);
        foreach (var cell in cells) cell.Dispose();
    }

    private void Print(string line)
    {
        Console.WriteLine(line);
        if (file is not null) File.AppendAllText(file, line + "\n");
    }
}
