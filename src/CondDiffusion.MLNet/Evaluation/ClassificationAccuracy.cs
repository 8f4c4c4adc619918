using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>Computes the classification accuracy score.</summary>
internal sealed class ClassificationAccuracy
{
    private const string PredictedLabel = "PredictedLabel";

    private readonly MLContext _context;
    private readonly IHost _host;
    private readonly ClassificationAccuracyOptions _options;

    private ClassificationAccuracy(MLContext context, ClassificationAccuracyOptions options)
    {
        options.Validate();
        _context = context;
        _host = ((IHostEnvironment)context).Register(nameof(ClassificationAccuracy));
        _options = options;
    }

    /// <inheritdoc cref="ImageGenerationCatalog.ClassificationAccuracyScore"/>
    public static ClassificationAccuracyScore Compute(
        MLContext context, IDataView generated, IDataView test, ClassificationAccuracyOptions options)
    {
        var score = new ClassificationAccuracy(context, options);
        var views = new[] { (Data: generated, Name: nameof(generated)), (Data: test, Name: nameof(test)) };
        if (options.RealData is { } realData) views = [.. views, (realData, "real")];
        var readers = views.Select(view => score.Open(view.Data, view.Name)).ToArray();
        ComparableLabels.Check(readers.Select(reader => (reader.View, (LabelReader?)reader.Label)));

        // The test images first: they name the labels, and generating may take long.
        var testImages = readers[1].Read(_ => int.MaxValue, score.CheckAlive);
        var labels = testImages.Select(image => image.Label).Distinct().Order(StringComparer.Ordinal).ToArray();
        var images = readers[0].Read(_ => options.ImagesPerLabel, score.CheckAlive);
        Check(images, labels, nameof(generated));

        var counts = images.CountBy(image => image.Label).ToDictionary();
        var real = readers.ElementAtOrDefault(2)?.Read(label => counts.GetValueOrDefault(label), score.CheckAlive);
        if (real is not null) Check(real, labels, "real");

        var result = score.TrainAndTest(images, testImages, labels);
        return real is null ? result : result with { Ceiling = score.TrainAndTest(real, testImages, labels) };
    }

    private static void Check(IReadOnlyList<LabelledPixels> images, string[] labels, string view)
    {
        var found = images.Select(image => image.Label).ToHashSet();
        if (found.Except(labels).FirstOrDefault() is { } unknown)
        {
            throw new InvalidOperationException(
                $"The {view} data has the label '{unknown}', but the test data has not.");
        }

        if (labels.FirstOrDefault(label => !found.Contains(label)) is { } missing)
            throw new InvalidOperationException($"The {view} data has no image with the label '{missing}'.");
    }

    private LabelledPixelsReader Open(IDataView data, string view)
    {
        var classifier = _options.Classifier;
        return new(
            data,
            view,
            _options.LabelColumnName,
            _options.ImageColumnName,
            new(classifier.Channels, classifier.Height, classifier.Width));
    }

    private ClassificationAccuracyScore TrainAndTest(
        IReadOnlyList<LabelledPixels> training, IReadOnlyList<LabelledPixels> test, string[] labels)
    {
        var accuracies = new double[_options.Trainings];
        for (var i = 0; i < accuracies.Length; i++) accuracies[i] = TrainAndTest(training, test, labels, i);
        return new(accuracies, training.Count, test.Count);
    }

    private double TrainAndTest(
        IReadOnlyList<LabelledPixels> training, IReadOnlyList<LabelledPixels> test, string[] labels, int number)
    {
        var seed = _options.Classifier.Seed ?? MLNetInternals.Seed(_host) ?? 0;
        var trainer = new ConvolutionalNetworkTrainer(_host, _options.Classifier with
        {
            LabelColumnName = nameof(Row.Label),
            FeatureColumnName = nameof(Row.Pixels),
            ExampleWeightColumnName = null,
            IsGeneratedColumnName = null,
            PredictedLabelColumnName = PredictedLabel,
            Seed = seed + number,
            OnCancellation = CancellationBehavior.Throw,
        });
        using var model = trainer.Fit(ToView(training));
        var predicted = model.Transform(ToView(test)).GetColumn<uint>(PredictedLabel);
        return predicted.Zip(test).Average(IsRight);

        IDataView ToView(IReadOnlyList<LabelledPixels> images)
        {
            var schema = SchemaDefinition.Create(typeof(Row));
            schema[nameof(Row.Label)].ColumnType = new KeyDataViewType(typeof(uint), labels.Length);
            schema[nameof(Row.Pixels)].ColumnType =
                new VectorDataViewType(NumberDataViewType.Single, images[0].Pixels.Length);
            var rows = images.Select(image => new Row
            {
                Label = FindRow(image), // key 1 is 0 here
                Pixels = image.Pixels,
            });
            return _context.Data.LoadFromEnumerable(rows, schema);
        }

        double IsRight((uint Key, LabelledPixels Image) row)
        {
            CheckAlive();
            return row.Key == 1 + FindRow(row.Image) ? 1 : 0;
        }

        uint FindRow(LabelledPixels image) => (uint)Array.BinarySearch(labels, image.Label, StringComparer.Ordinal);
    }

    private void CheckAlive() => MLNetInternals.CheckAlive(_host, _options.Classifier.CancellationToken);

    private sealed class Row
    {
        public uint Label { get; set; }

        public float[] Pixels { get; set; } = [];
    }
}
