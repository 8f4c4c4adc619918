using CondDiffusion.MLNet;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.Examples;

/// <summary>
/// Loads a model file and generates images of the labels asked for: each as a file, all in one grid, and a strip for
/// each label that shows an image emerge from noise.
/// </summary>
internal static class GenerateCommand
{
    /// <summary>The maximum number of images in a strip.</summary>
    private const int MostSnapshots = 20;

    /// <summary>Images from one report of the progress to the next.</summary>
    private const int ChunkSize = 32;

    public static void Run(string[] args)
    {
        var arguments = new Arguments(
            args,
            "--model", "--labels", "--count", "--sampler", "--steps", "--spacing", "--guidance", "--guidance-sigma",
            "--out");
        var file = arguments.Find("--model") ?? ModelFile.Shipped;
        var directory = arguments.Text("--out");
        var count = arguments.Number("--count", 10);
        var interval = arguments.Interval("--guidance-sigma");
        var ml = new MLContext();
        using var trained = ModelFile.LoadGenerator(ml, file);
        using var generator = ml.ImageGeneration.WithSampling(trained, trained.Sampling with
        {
            Sampler = arguments.Enum("--sampler", trained.Sampling.Sampler),
            Steps = ChooseSteps(arguments, trained.Sampling),
            Spacing = arguments.Enum("--spacing", trained.Sampling.Spacing),
            GuidanceScale = arguments.FindDouble("--guidance") ?? trained.Sampling.GuidanceScale,
            GuidanceSigmaLow = interval?.Low ?? trained.Sampling.GuidanceSigmaLow,
            GuidanceSigmaHigh = interval?.High ?? trained.Sampling.GuidanceSigmaHigh,
        });
        var labels = ParseLabels(arguments.Find("--labels"), generator.LabelValues);
        Directory.CreateDirectory(directory);

        // The seeds are numbers of rows, so each image is the one that the pipeline generates in that row.
        var counter = new ImageCounter("generated");
        var images = new List<MLImage>();
        foreach (var chunk in labels.SelectMany(label => Enumerable.Repeat(label, count)).Chunk(ChunkSize))
        {
            images.AddRange(generator.Generate(chunk, [.. chunk.Select((_, i) => (long)images.Count + i)]));
            counter.Report(images.Count, labels.Length * count);
        }

        for (var i = 0; i < images.Count; i++)
            ImageGrid.Save([images[i]], 1, PathOf($"{labels[i / count]}-{i % count}"), padding: 0);
        Save(images, count, PathOf(Path.GetFileNameWithoutExtension(file)));

        // Every label starts from the same noise, so the strips differ by the label alone.
        var strips = labels.Select(_ => new List<MLImage>()).ToArray();
        generator.Generate(labels, [.. labels.Select(_ => 0L)], progress =>
        {
            // Evenly spaced steps, the last one included.
            var number = (long)progress.Step * MostSnapshots / progress.Steps;
            if (number == (progress.Step - 1L) * MostSnapshots / progress.Steps) return;

            var snapshot = progress.ToImages();
            for (var i = 0; i < snapshot.Count; i++) strips[progress.FirstImage + i].Add(snapshot[i]);
        });

        for (var i = 0; i < strips.Length; i++)
            Save(strips[i], (strips[i].Count + 1) / 2, PathOf($"denoising-{labels[i]}"));

        string PathOf(string name) => Path.Combine(directory, FileName.From($"{name}.png"));
    }

    /// <summary>Returns the given number, or else the model's own or, for another sampler, that sampler's.</summary>
    private static int? ChooseSteps(Arguments arguments, SamplingOptions trained)
    {
        if (arguments.Find("--steps") is not null) return arguments.Number("--steps", 1);
        return arguments.Find("--sampler") is null ? trained.Steps : null;
    }

    internal static void Save(List<MLImage> images, int columns, string path)
    {
        try
        {
            ImageGrid.Save(images, columns, path, padding: 2, scale: 2);
            Console.WriteLine($"Saved {path}.");
        }
        catch (OverflowException)
        {
            Console.Error.WriteLine(
                $"{path} was not saved: a grid of {images.Count} images would take more than 2 GB.");
        }
    }

    /// <summary>Returns the labels to generate images of.</summary>
    /// <param name="text">The labels between commas; null for all.</param>
    /// <param name="known">Those of the model; null where they are numbers of keys.</param>
    internal static string[] ParseLabels(string? text, IReadOnlyList<string>? known)
    {
        var labels = text?.Split(',', StringSplitOptions.TrimEntries)
            ?? known?.Order(StringComparer.Ordinal).ToArray()
            ?? throw new UsageException("Option --labels is missing: the model's labels are numbers of keys, from 1.");
        if (labels.FirstOrDefault(label => known?.Contains(label) == false) is { } unknown)
        {
            throw new UsageException(
                $"Option --labels: '{unknown}' is not one of the model's labels, {string.Join(", ", known!)}.");
        }

        var comparer = StringComparer.FromComparison(FileName.Comparison);
        if (labels.GroupBy(FileName.From, comparer).FirstOrDefault(name => name.Count() > 1) is { } same)
        {
            throw new UsageException(
                $"Option --labels: files of the same name belong to '{string.Join("' and '", same)}'. Name each " +
                "label once, and give labels with the same file name an --out directory each.");
        }

        return labels;
    }
}
