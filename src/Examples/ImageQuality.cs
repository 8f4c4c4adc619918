using CondDiffusion.MLNet;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.Examples;

/// <summary>The quality of a set of labelled images.</summary>
/// <param name="Metrics">The metrics by the features of a reference classifier.</param>
/// <param name="Score">The accuracy of classifiers that were trained on the images; null if none were.</param>
internal sealed record ImageQuality(ImageGenerationMetrics Metrics, ClassificationAccuracyScore? Score)
{
    /// <summary>Measures labelled images against a data set.</summary>
    /// <param name="ml">The context.</param>
    /// <param name="images">The images, with the columns Label and Image; read once.</param>
    /// <param name="training">The data set's training images.</param>
    /// <param name="test">The data set's test images.</param>
    /// <param name="reference">The reference classifier.</param>
    /// <param name="trainings">Classifiers to train on the images; 0 for none.</param>
    /// <param name="withCeiling">Whether to train as many classifiers on real images.</param>
    /// <param name="cancellationToken">Ends the measurement.</param>
    public static ImageQuality Measure(
        MLContext ml,
        IDataView images,
        IDataView training,
        IDataView test,
        ITransformer reference,
        int trainings,
        bool withCeiling,
        CancellationToken cancellationToken)
    {
        var metrics = ml.ImageGeneration.Evaluate(
            reference.Transform(images), reference.Transform(test), new()
            {
                FeatureColumnName = ReferenceClassifier.Features,
                PredictedLabelColumnName = ReferenceClassifier.PredictedLabel,
                TrainingData = reference.Transform(training),
                CancellationToken = cancellationToken,
            });
        if (trainings == 0) return new(metrics, null);

        var form = ImageForm.OfFirst(images);
        var sets = withCeiling ? "the images, and as many on real ones" : "the images";
        Console.Error.WriteLine($"Training {trainings} classifiers on {sets}.");
        var options = new ClassificationAccuracyOptions
        {
            RealData = withCeiling ? training : null,
            Trainings = trainings,
        };
        options = options with
        {
            Classifier = options.Classifier with
            {
                Height = form.Height,
                Width = form.Width,
                Channels = form.Channels,
                Progress = new ProgressBar(Console.Error),
                CancellationToken = cancellationToken,
            },
        };
        return new(metrics, ml.ImageGeneration.ClassificationAccuracyScore(images, test, options));
    }

    /// <summary>
    /// Generates images of every label and keeps them in memory, with the label as text in the column Label.
    /// </summary>
    /// <param name="ml">The context.</param>
    /// <param name="model">The model.</param>
    /// <param name="perLabel">Images of each label, with the seeds from 0 on.</param>
    /// <param name="report">Receives the number of images so far.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    public static IDataView Generate(
        MLContext ml,
        ConditionalDiffusionTransformer model,
        int perLabel,
        Action<int> report,
        CancellationToken cancellationToken)
    {
        const int AtOnce = 320;
        var rows = model.LabelValues!.SelectMany(
            label => Enumerable.Range(0, perLabel).Select(seed => (Label: label, Seed: (long)seed)));
        var images = new List<LabelledImage>();
        foreach (var chunk in rows.Chunk(AtOnce))
        {
            var generated = model.Generate(
                [.. chunk.Select(row => row.Label)],
                [.. chunk.Select(row => row.Seed)],
                cancellationToken: cancellationToken);
            images.AddRange(
                chunk.Zip(generated, (row, image) => new LabelledImage { Label = row.Label, Image = image }));
            report(images.Count);
        }

        var image = images[0].Image!;
        new ImageTypeAttribute(image.Height, image.Width).Register(); // as in DrawnDigits
        var schema = SchemaDefinition.Create(typeof(LabelledImage));
        schema[nameof(LabelledImage.Image)].ColumnType = new ImageDataViewType(image.Height, image.Width);
        return ml.Data.LoadFromEnumerable(images, schema);
    }
}
