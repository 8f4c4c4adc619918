using CondDiffusion.MLNet;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.Examples;

/// <summary>
/// Adds generated images to a folder of labelled ones: writes the real and the generated images, or the generated ones
/// alone, to a folder of their own.
/// </summary>
internal static class AugmentCommand
{
    private static readonly string[] Amounts = ["--balance", "--at-least", "--per-real"];

    public static void Run(string[] args)
    {
        if (args is not [var folder, .. var rest] || folder.StartsWith("--", StringComparison.Ordinal))
            throw new UsageException("The folder of images is missing: expected augment FOLDER, and options after it.");
        var arguments = new Arguments(
            rest,
            ["--model", "--at-least", "--per-real", "--classifier", "--copy-distance", "--seed", "--out"],
            ["--balance", "--generated-only", "--json"]);
        var modelFile = arguments.Text("--model");
        var output = arguments.Text("--out");
        var amount = ReadAmount(arguments);
        var copyDistance = arguments.Double("--copy-distance", 0.5);
        var seed = arguments.Number("--seed", 1);
        CheckOutside(folder, output);

        using var interrupt = new Interrupt();
        var ml = CommandContext.Create(seed);
        var images = LoadImages(ml, folder, interrupt.Token);
        using var model = ModelFile.LoadGenerator(ml, modelFile);
        var refused = new Refused();
        var options = new AugmentationOptions
        {
            Amount = amount,
            CopyDistance = copyDistance,
            Progress = refused,
            CancellationToken = interrupt.Token,
        };
        var augmented = Augment(options); // checks labels and options before a classifier is trained
        var classifier = arguments.Find("--classifier") is { } file
            ? LoadOrTrainClassifier(ml, images, model, file, interrupt.Token)
            : null;
        using var disposable = classifier as IDisposable;
        if (classifier is not null) augmented = Augment(options with { Classifier = classifier });

        var rows = AddOrigins(ml, augmented, Path.GetFileName(modelFile), seed);
        if (arguments.Has("--generated-only"))
        {
            if (augmented.GetRowCount() == images.GetRowCount())
            {
                throw new InvalidOperationException(
                    $"There is nothing to generate: '{folder}' has as many images of each label as {amount} asks for.");
            }

            rows = ml.Data.FilterByCustomPredicate<AugmentedRow>(rows, row => !row.IsGenerated); // true is left out
        }

        var counter = new ImageCounter("saved");
        var written = ImageFolder.Save(rows, output, new()
        {
            Progress = new SavedImages(counter),
            CancellationToken = interrupt.Token,
        });

        var labels = Count(augmented, refused.Last);
        if (arguments.Has("--json")) JsonOutput.Write(new { Labels = labels, Written = written });
        else Print(labels, written, output);

        IDataView Augment(AugmentationOptions options)
        {
            try
            {
                return ml.ImageGeneration.Augment(images, model, options);
            }
            catch (ArgumentException exception)
            {
                throw new ArgumentException($"'{folder}' with the model '{modelFile}': {exception.Message}", exception);
            }
        }
    }

    /// <summary>Loads the images. All count as real, even if the folder says that some were generated.</summary>
    private static IDataView LoadImages(MLContext ml, string folder, CancellationToken cancellationToken)
    {
        var images = ml.Data.LoadImageFolder(folder, new() { CancellationToken = cancellationToken });
        return images.Schema.GetColumnOrNull("IsGenerated") is null
            ? images
            : ml.Transforms.DropColumns("IsGenerated").Fit(images).Transform(images);
    }

    private static AugmentationAmount ReadAmount(Arguments arguments)
    {
        string[] given = [.. Amounts.Where(arguments.Has)];
        switch (given)
        {
            case ["--balance"]: return AugmentationAmount.Balance;
            case ["--at-least"]: return AugmentationAmount.AtLeast(arguments.Number("--at-least", 1));
            case ["--per-real"]:
                var ratio = arguments.Double("--per-real", 1);
                return ratio > 0 && double.IsFinite(ratio)
                    ? AugmentationAmount.PerReal(ratio)
                    : throw new UsageException($"Option --per-real must be a positive number, but is '{ratio}'.");
            default:
                throw new UsageException(
                    $"Expected exactly one of {string.Join(", ", Amounts)}, found " +
                    $"{(given.Length == 0 ? "none" : string.Join(", ", given))}.");
        }
    }

    private static void CheckOutside(string folder, string output)
    {
        if (!WithSeparator(output).StartsWith(WithSeparator(folder), StringComparison.Ordinal)) return;

        throw new UsageException(
            $"Option --out must be a folder outside '{folder}', whose images are the real ones, but is '{output}'.");

        static string WithSeparator(string path) =>
            Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)) + Path.DirectorySeparatorChar;
    }

    private static ITransformer LoadOrTrainClassifier(
        MLContext ml,
        IDataView images,
        ConditionalDiffusionTransformer model,
        string file,
        CancellationToken cancellationToken)
    {
        // It sees images as the model generates them, so that it does not go by their sharpness.
        var generated = model.Generate([model.LabelValues![0]], cancellationToken: cancellationToken);
        return ReferenceClassifier.LoadOrTrain(ml, images, ImageForm.Of(generated[0]), file, cancellationToken);
    }

    /// <summary>
    /// Adds the columns Seed and Model, which generated rows alone have values in. The folder has them too, so that
    /// another model or seed does not complete it.
    /// </summary>
    private static IDataView AddOrigins(MLContext ml, IDataView augmented, string model, int seed)
    {
        var mapping = ml.Transforms.CustomMapping<AugmentedRow, Origin>(Map, contractName: null);
        return mapping.Fit(augmented).Transform(augmented);

        void Map(AugmentedRow row, Origin origin)
        {
            origin.Seed = row.IsGenerated ? $"{seed}" : "";
            origin.Model = row.IsGenerated ? model : "";
        }
    }

    private static Dictionary<string, LabelCounts> Count(IDataView augmented, AugmentationProgress? refused)
    {
        return augmented.GetColumn<string>("Label")
            .Zip(augmented.GetColumn<bool>("IsGenerated"))
            .GroupBy(row => row.First, row => row.Second)
            .OrderBy(label => label.Key, StringComparer.Ordinal)
            .ToDictionary(label => label.Key, label => new LabelCounts(
                Real: label.Count(isGenerated => !isGenerated),
                Generated: label.Count(isGenerated => isGenerated),
                Disputed: refused?.DisputedByLabel.GetValueOrDefault(label.Key) ?? 0,
                Copied: refused?.CopiedByLabel.GetValueOrDefault(label.Key) ?? 0));
    }

    private static void Print(Dictionary<string, LabelCounts> labels, int written, string output)
    {
        Console.WriteLine("    real generated  disputed    copied  label");
        foreach (var (label, counts) in labels)
        {
            Console.WriteLine(
                $"{counts.Real,8}{counts.Generated,10}{counts.Disputed,10}{counts.Copied,10}  {label}");
        }

        Console.WriteLine($"Wrote {written} images to {output}.");
    }

    /// <summary>The numbers of a label's images. Those that were refused are of this run alone.</summary>
    private sealed record LabelCounts(int Real, int Generated, int Disputed, int Copied);

    private sealed class AugmentedRow
    {
        public bool IsGenerated { get; set; }
    }

    private sealed class Origin
    {
        public string Seed { get; set; } = "";

        public string Model { get; set; } = "";
    }

    private sealed class Refused : IProgress<AugmentationProgress>
    {
        public AugmentationProgress? Last { get; private set; }

        public void Report(AugmentationProgress value) => Last = value;
    }

    private sealed class SavedImages(ImageCounter counter) : IProgress<ImageFolderProgress>
    {
        public void Report(ImageFolderProgress value) => counter.Report(value.Saved, value.Images);
    }
}
