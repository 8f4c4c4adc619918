using CondDiffusion.Examples;
using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>Scores the pictures that each way of sampling draws with one model, from the same noise.</summary>
internal static class SamplerBenchmark
{
    private const int Labels = 10, DrawnAtOnce = 50;

    public static void Run(Arguments arguments)
    {
        var ml = new MLContext();
        var file = arguments.Text("--model");
        var model = ((IEnumerable<ITransformer>)ml.Model.Load(file, out _)).OfType<ConditionalDiffusionTransformer>().Single();
        var perLabel = arguments.Number("--count", 100);
        var shape = model.Generator.Shape;
        var training = MnistImages.Read(arguments.Text("--data"), MnistSplit.Train, shape);
        using var score = new ImageScore(training, MnistImages.Read(arguments.Text("--data"), MnistSplit.Test, shape), shape, perLabel);

        Console.WriteLine($"{perLabel} pictures of each label, by {Path.GetFileName(file)}; as many training images score {score.Floor.Accuracy:P1} and {score.Floor.Frechet:F1}.");
        Console.WriteLine();
        Console.WriteLine("| sampler | steps | spacing | clipped | guidance | labels right | Fréchet distance |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- |");
        foreach (var options in Choices(model.Sampling with { GuidanceScale = 1 }, model.GeneratesUnlabelled))
        {
            using var sampled = ml.ImageGeneration.WithSampling(model, options);
            var (accuracy, frechet) = Score(sampled, perLabel, score);
            Console.WriteLine(
                $"| {options.Sampler} | {options.Steps} | {options.Spacing} | {(options.ClipPixels ? "yes" : "no")} | {options.GuidanceScale} " +
                $"| {accuracy:P1} | {frechet:F1} |");
        }
    }

    private static IEnumerable<SamplingOptions> Choices(SamplingOptions start, bool guided)
    {
        foreach (var steps in new[] { 20, 10 })
        {
            foreach (var spacing in Enum.GetValues<StepSpacing>())
            {
                var solver = start with { Sampler = Sampler.DpmSolver, Steps = steps, Spacing = spacing, ClipPixels = true };
                yield return solver;
                yield return solver with { Sampler = Sampler.Ddim };
            }
            yield return start with { Sampler = Sampler.DpmSolver, Steps = steps, Spacing = StepSpacing.LogSnr, ClipPixels = false };
        }
        yield return start with { Sampler = Sampler.Ddim, Steps = 50, Spacing = StepSpacing.Trailing, ClipPixels = true };
        if (!guided) yield break;
        foreach (var scale in new[] { 1.5, 2, 4 })
            yield return start with { Sampler = Sampler.DpmSolver, Steps = 20, Spacing = StepSpacing.LogSnr, ClipPixels = true, GuidanceScale = scale };
    }

    private static (double Accuracy, double Frechet) Score(ConditionalDiffusionTransformer model, int perLabel, ImageScore score)
    {
        using var scope = NewDisposeScope();
        var (shape, digits) = (model.Generator.Shape, model.LabelValues!.Select(long.Parse).ToArray());
        var rows = Enumerable.Range(0, Labels * perLabel).Select(i => new Condition(i % Labels, (uint)i, (float)model.Sampling.GuidanceScale!)).ToArray();
        float[] pixels = [.. rows.Chunk(DrawnAtOnce).SelectMany(batch => model.Generator.Generate(batch))];
        return score.Compute(
            tensor(pixels).view(rows.Length, shape.Channels, shape.Height, shape.Width).clamp_(-1, 1), tensor([.. rows.Select(row => digits[row.Label!.Value])]));
    }
}
