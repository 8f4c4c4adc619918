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
            [
                "--model", "--at-least", "--per-real", "--classifier", "--least-probability", "--copy-distance",
                "--most-attempts", "--seed", "--out",
            ],
            ["--balance", "--skip-broken", "--generated-only", "--json"]);
        var modelFile = arguments.Text("--model");
        var output = arguments.Text("--out");
        var classifierFile = arguments.Find("--classifier");
        var seed = arguments.Number("--seed", 1);
        using var interrupt = new Interrupt();
        var refused = new Refused();
        var options = ReadOptions(arguments) with { Progress = refused, CancellationToken = interrupt.Token };
        if (classifierFile is null && arguments.Has("--least-probability"))
            throw new UsageException("Option --least-probability needs a --classifier.");
        CheckOutside(folder, "--out", output);
        if (classifierFile is not null) CheckOutside(output, "--classifier", classifierFile);

        var ml = CommandContext.Create(seed);
        var images = LoadImages(ml, folder, arguments.Has("--skip-broken"), interrupt.Token);
        using var model = ModelFile.LoadGenerator(ml, modelFile);
        var augmented = Augment(options, $"'{folder}' with the model '{modelFile}'");
        var isComplete = augmented.GetRowCount() == images.GetRowCount();
        if (isComplete && arguments.Has("--generated-only"))
        {
            throw new InvalidOperationException(
                $"There is nothing to generate: '{folder}' has as many images of each label as {options.Amount} asks " +
                "for.");
        }

        // Everything that can be wrong is checked before a classifier is trained and anything is written.
        CheckOutput(output);
        if (isComplete) classifierFile = null; // there is nothing that it could refuse
        var origin = new Dictionary<string, string>
        {
            ["FOLDER"] = FolderOrigin.Describe(folder, images),
            ["--model"] = FolderOrigin.Describe(modelFile),
            ["--copy-distance"] = FormattableString.Invariant($"{options.CopyDistance}"),
            ["--classifier"] = FolderOrigin.Describe(classifierFile),
            ["--least-probability"] = FormattableString.Invariant($"{options.LeastProbability}"),
        };
        FolderOrigin.Check(output, origin);
        if (!FolderOrigin.IsBegun(output) && !arguments.Has("--skip-broken")) CheckImages(images, interrupt.Token);
        var form = isComplete ? null : FindGeneratedForm(images, model, interrupt.Token);
        var classifier = form is null || classifierFile is null
            ? null
            : ReferenceClassifier.LoadOrTrain(ml, images, form, classifierFile, interrupt.Token);
        using var disposable = classifier as IDisposable;
        if (classifier is not null)
            augmented = Augment(options with { Classifier = classifier }, $"The classifier '{classifierFile}'");

        var rows = AddOrigins(ml, augmented, Path.GetFileName(modelFile), seed);
        if (arguments.Has("--generated-only"))
            rows = DataSet.LeaveOut(ml, rows, isGenerated: false);

        origin["--classifier"] = FolderOrigin.Describe(classifierFile);
        FolderOrigin.Keep(output, origin);
        var counter = new ImageCounter("saved");
        var written = Save(rows, output, new()
        {
            Progress = new SavedImages(counter),
            CancellationToken = interrupt.Token,
        });

        var labels = Count(augmented, refused.Last);
        if (arguments.Has("--json")) JsonOutput.Write(new { Labels = labels, Written = written });
        else Print(labels, written, output);

        IDataView Augment(AugmentationOptions options, string subject)
        {
            try
            {
                return ml.ImageGeneration.Augment(images, model, options);
            }
            catch (ArgumentException exception)
            {
                throw new ArgumentException($"{subject}: {NameOptions(exception.Message)}", exception);
            }
        }
    }

    private static AugmentationOptions ReadOptions(Arguments arguments)
    {
        var options = new AugmentationOptions();
        return options with
        {
            Amount = ReadAmount(arguments),
            LeastProbability = Read("--least-probability", options.LeastProbability, 1),
            CopyDistance = Read("--copy-distance", 0.5, double.PositiveInfinity),
            MostAttempts = arguments.Number("--most-attempts", options.MostAttempts),
        };

        double Read(string name, double byDefault, double end) =>
            arguments.Double(name, byDefault) is var number && number >= 0 && number < end
                ? number
                : throw new UsageException(
                    $"Option {name} must be at least 0 and below {(end == 1 ? "1" : "infinity")}, but is '{number}'.");
    }

    /// <summary>Loads the images. All count as real, even if the folder says that some were generated.</summary>
    private static IDataView LoadImages(
        MLContext ml, string folder, bool skipsBroken, CancellationToken cancellationToken)
    {
        var images = ml.Data.LoadImageFolder(folder, new()
        {
            SkipBrokenImages = skipsBroken,
            CancellationToken = cancellationToken,
        });
        return images.Schema.GetColumnOrNull("IsGenerated") is null
            ? images
            : ml.Transforms.DropColumns("IsGenerated").Fit(images).Transform(images);
    }

    /// <summary>Decodes all images, so that a broken one is found before a folder is begun.</summary>
    private static void CheckImages(IDataView images, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var image in images.GetColumn<MLImage>(nameof(LabelledImage.Image)))
            {
                cancellationToken.ThrowIfCancellationRequested();
                image.Dispose();
            }
        }
        catch (FormatException exception)
        {
            throw new FormatException($"{exception.Message} Use --skip-broken to leave it out.", exception);
        }
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

    private static void CheckOutside(string folder, string option, string path)
    {
        if (!WithSeparator(path).StartsWith(WithSeparator(folder), FileName.Comparison)) return;

        throw new UsageException($"Option {option} must be outside the folder '{folder}', but is '{path}'.");

        static string WithSeparator(string path) =>
            Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)) + Path.DirectorySeparatorChar;
    }

    /// <summary>Throws where images cannot be saved, and creates the folder where they can.</summary>
    private static void CheckOutput(string output)
    {
        if (File.Exists(output)) throw new IOException($"'{output}' is a file; --out must name a folder.");
        OutputFiles.CheckDirectory(output);
        if (FolderOrigin.IsIn(output)) return;

        if (Directory.EnumerateFileSystemEntries(output).Any(path => !Path.GetFileName(path).StartsWith('.')))
        {
            throw new InvalidOperationException(
                $"'{output}' holds other files; --out must name a new or empty folder, or one that this command has " +
                "begun.");
        }
    }

    /// <summary>
    /// Returns the form of the images that the model generates, and says once if real images have another one.
    /// </summary>
    private static ImageForm FindGeneratedForm(
        IDataView images, ConditionalDiffusionTransformer model, CancellationToken cancellationToken)
    {
        // One image of a model for colored images may be grey. A model that generates images of texts has values.
        ImageForm[] forms =
        [
            .. model.Generate([.. model.LabelValues!.Take(10)], cancellationToken: cancellationToken).Select(image =>
            {
                using (image) return ImageForm.Of(image);
            }),
        ];
        var generated = forms.MaxBy(form => form.Channels)!;
        var real = ImageForm.OfFirst(images);
        if (generated != real)
            Console.Error.WriteLine($"Generated images are {generated}; the first real one is {real}.");
        return generated;
    }

    /// <summary>
    /// Adds the columns Seed and Model, which generated rows alone have values in. The folder has them too, so that
    /// another model or seed does not complete it.
    /// </summary>
    private static IDataView AddOrigins(MLContext ml, IDataView augmented, string model, int seed)
    {
        var mapping = ml.Transforms.CustomMapping<AugmentationMark, Origin>(Map, contractName: null);
        return mapping.Fit(augmented).Transform(augmented);

        void Map(AugmentationMark row, Origin origin)
        {
            origin.Seed = row.IsGenerated ? $"{seed}" : "";
            origin.Model = row.IsGenerated ? model : "";
        }
    }

    private static int Save(IDataView rows, string output, ImageFolderSaveOptions options)
    {
        try
        {
            return ImageFolder.Save(rows, output, options);
        }
        catch (InvalidOperationException exception)
        {
            throw new InvalidOperationException(NameOptions(exception.Message), exception);
        }
    }

    /// <summary>Returns a message of the library with this command's options in place of the library's.</summary>
    private static string NameOptions(string message) => message
        .Replace(nameof(AugmentationOptions.LeastProbability), "--least-probability", StringComparison.Ordinal)
        .Replace(nameof(AugmentationOptions.CopyDistance), "--copy-distance", StringComparison.Ordinal)
        .Replace(nameof(AugmentationOptions.MostAttempts), "--most-attempts", StringComparison.Ordinal);

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
