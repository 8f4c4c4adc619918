using CondDiffusion.Examples;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>
/// Trains the generator of a study on its real images, and generates what they lack. Both are kept in files, so that a
/// run that was stopped goes on where it was.
/// </summary>
internal sealed class StudyGenerator(MLContext ml, StudyProtocol protocol, int seed)
{
    private const double CopyDistance = 0.5;

    // A label of few images may be refused much more often than it is by default expected to be.
    private const int MostAttempts = 100;

    private string Name =>
        $"augmentation-{protocol.Data}-{protocol.Counts.Replace(',', '-')}-{protocol.Generator}-" +
        $"{protocol.GeneratorEpochs}-{seed}";

    private string ModelFileName => Path.Combine(QualityMeter.Cache, $"{Name}.zip");

    private string CheckpointDirectory => Path.Combine(QualityMeter.Cache, $"{Name}-checkpoints");

    private ConditionalDiffusionTrainer.Options Options => StudyTraining.Find(protocol.Generator).Options;

    /// <summary>Generates the images that the labels lack.</summary>
    /// <param name="real">The real images.</param>
    /// <param name="trainFilter">
    /// Returns the classifier that refuses images, and is called if there are images to generate; null for none.
    /// </param>
    /// <exception cref="InvalidOperationException">No image was accepted for a row; the message says which.</exception>
    public GeneratedImages Generate(IReadOnlyList<GreyImage> real, Func<ITransformer>? trainFilter)
    {
        var file = FindImages(isFiltered: trainFilter is not null);
        var images = GeneratedImageFile.Read(file);
        if (images.Count == protocol.Missing) return new(images);

        var filter = trainFilter?.Invoke();
        var isWhole = images.Count == 0;
        var isNew = isWhole && !File.Exists(ModelFileName) && !Directory.Exists(CheckpointDirectory);
        var started = Environment.CpuUsage.TotalTime;
        var view = StudyImages.ToView(ml, real.Select(image => new WeightedImage(image)));
        using var model = LoadOrTrain(view);

        Console.Error.WriteLine($"Generating {protocol.Missing} images with {Name}.");
        var refused = new RefusedImages();
        var augmented = ml.ImageGeneration.Augment(view, model, new AugmentationOptions
        {
            ImageColumnName = Options.FeatureColumnName,
            Amount = AugmentationAmount.AtLeast(protocol.Wanted),
            GuidanceScale = protocol.Guidance,
            Classifier = filter,
            CopyDistance = CopyDistance,
            MostAttempts = MostAttempts,
            Seed = seed,
            Progress = refused,
        });
        GeneratedImageFile.Complete(file, augmented);
        return new(GeneratedImageFile.Read(file))
        {
            Minutes = isNew ? (Environment.CpuUsage.TotalTime - started).TotalMinutes : null,
            Disputed = isWhole ? refused.Last?.Disputed : null,
            Copied = isWhole ? refused.Last?.Copied : null,
        };
    }

    /// <summary>Returns the file of the generated images.</summary>
    private string FindImages(bool isFiltered)
    {
        var number = protocol.PerLabel is { } wanted ? $"-{wanted}" : "";
        var guidance = protocol.Guidance is { } scale ? $"-guidance-{scale}" : "";
        var filter = isFiltered ? $"{protocol.Steps}" : "unfiltered";
        var name = FormattableString.Invariant($"{Name}{number}{guidance}-{filter}.images");
        return Path.Combine(QualityMeter.Cache, name);
    }

    private ConditionalDiffusionTransformer LoadOrTrain(IDataView real)
    {
        if (File.Exists(ModelFileName)) return ModelFile.LoadGenerator(ml, ModelFileName);

        Console.Error.WriteLine($"Training {Name}.");
        Directory.CreateDirectory(QualityMeter.Cache);
        var trainer = ml.ImageGeneration.Trainers.ConditionalDiffusion(Options with
        {
            Epochs = protocol.GeneratorEpochs,
            Seed = seed,
            Progress = new ProgressBar(Console.Error),
            CheckpointDirectory = CheckpointDirectory,
        });
        var model = trainer.Fit(real);
        ModelFile.Save(ml, model, ModelFileName);
        return model;
    }

    private sealed class RefusedImages : IProgress<AugmentationProgress>
    {
        private readonly ImageCounter _counter = new("generated");

        public AugmentationProgress? Last { get; private set; }

        public void Report(AugmentationProgress value)
        {
            Last = value;
            _counter.Report(value.Accepted, value.Images);
        }
    }
}
