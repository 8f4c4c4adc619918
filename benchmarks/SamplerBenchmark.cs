using CondDiffusion.Examples;
using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>Scores the images that each way of sampling generates with one model, from the same noise.</summary>
internal static class SamplerBenchmark
{
    private const int Labels = 10;
    private const int BatchSize = 50;

    public static void Run(Arguments arguments)
    {
        var ml = new MLContext();
        var file = arguments.Text("--model");
        var chain = (IEnumerable<ITransformer>)ml.Model.Load(file, out _);
        var model = chain.OfType<ConditionalDiffusionTransformer>().Single();
        var perLabel = arguments.Number("--count", 100);
        var shape = model.Generator.Shape;
        var training = MnistImages.Read(arguments.Text("--data"), MnistSplit.Train, shape);
        var test = MnistImages.Read(arguments.Text("--data"), MnistSplit.Test, shape);
        using var score = new ImageScore(training, test, shape, perLabel);

        Console.WriteLine(
            $"{perLabel} images of each label, by {Path.GetFileName(file)}; as many training images score " +
            $"{score.Floor.Accuracy:P1} and {score.Floor.Frechet:F1}.");
        Console.WriteLine();
        Console.WriteLine("| sampler | steps | spacing | clipped | guidance | labels right | Fréchet distance |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- |");
        foreach (var options in Choices(model.Sampling with { GuidanceScale = 1 }, model.GeneratesUnlabelled))
        {
            using var sampled = ml.ImageGeneration.WithSampling(model, options);
            var (accuracy, frechet) = Score(sampled, perLabel, score);
            var clipped = options.ClipPixels ? "yes" : "no";
            Console.WriteLine(
                $"| {options.Sampler} | {options.Steps} | {options.Spacing} | {clipped} | {options.GuidanceScale} " +
                $"| {accuracy:P1} | {frechet:F1} |");
        }
    }

    private static IEnumerable<SamplingOptions> Choices(SamplingOptions start, bool guided)
    {
        start = start with { ClipPixels = true };
        var solver = start with { Sampler = Sampler.DpmSolver, Spacing = StepSpacing.LogSnr };
        foreach (var steps in new[] { 20, 10 })
        {
            foreach (var spacing in Enum.GetValues<StepSpacing>())
            {
                var spaced = solver with { Steps = steps, Spacing = spacing };
                yield return spaced;
                yield return spaced with { Sampler = Sampler.Ddim };
            }

            yield return solver with { Steps = steps, ClipPixels = false };
        }

        yield return start with { Sampler = Sampler.Ddim, Steps = 50, Spacing = StepSpacing.Trailing };
        if (!guided) yield break;

        foreach (var scale in new[] { 1.5, 2, 4 }) yield return solver with { Steps = 20, GuidanceScale = scale };
    }

    private static (double Accuracy, double Frechet) Score(
        ConditionalDiffusionTransformer model, int perLabel, ImageScore score)
    {
        using var scope = NewDisposeScope();
        var shape = model.Generator.Shape;
        var digits = model.LabelValues!.Select(long.Parse).ToArray();
        var scale = (float)model.Sampling.GuidanceScale!;
        Condition[] rows =
            [.. Enumerable.Range(0, Labels * perLabel).Select(i => new Condition(i % Labels, (uint)i, scale))];

        float[] pixels = [.. rows.Chunk(BatchSize).SelectMany(batch => model.Generator.Generate(batch))];
        long[] labels = [.. rows.Select(row => digits[row.Label!.Value])];
        var images = tensor(pixels, ScalarType.Float32, CPU);
        return score.Compute(
            images.view(rows.Length, shape.Channels, shape.Height, shape.Width).clamp_(-1, 1),
            tensor(labels, ScalarType.Int64, CPU));
    }
}
