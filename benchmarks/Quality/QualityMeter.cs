using System.Diagnostics;
using CondDiffusion.Examples;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Measures models against a data set and keeps the results in a file, so that an interrupted run goes on where it was.
/// </summary>
internal sealed class QualityMeter
{
    public const string Cache = "benchmarks/cache";
    public const string Results = "benchmarks/results/quality.jsonl";

    private const string Floor = "*as many real images*";

    private readonly MLContext _ml = new(seed: 1);
    private readonly string _data;
    private readonly int _perLabel;
    private readonly int _trainings;
    private readonly string _command;
    private readonly Dictionary<string, ITransformer> _references = [];

    public QualityMeter(Arguments arguments, string command)
    {
        _data = arguments.Find("--data") ?? "mnist";
        _perLabel = arguments.Number("--count", 1000);
        _trainings = arguments.Find("--cas") == "0" ? 0 : arguments.Number("--cas", 3);
        _command = command;
        Training = DataSet.Load(_ml, _data, arguments.Find("--data-dir"));
        Test = DataSet.Load(_ml, _data, arguments.Find("--data-dir"), MnistSplit.Test);
        Directory.CreateDirectory(Cache);
    }

    /// <summary>The training images of the data set.</summary>
    public IDataView Training { get; }

    /// <summary>The test images of the data set.</summary>
    public IDataView Test { get; }

    /// <summary>Loads the generator of a model file.</summary>
    public MeasuredModel Load(string file) => new(ModelFile.LoadGenerator(_ml, file), null);

    /// <summary>Returns the file of the reference classifier of a data set, for images of a form.</summary>
    public static string FindReference(string data, ImageForm form) =>
        Path.Combine(Cache, $"classifier-{data}-{form.Height}x{form.Width}x{form.Channels}.zip");

    /// <summary>Prints the rows of a model, measuring those that the results file does not have.</summary>
    /// <param name="name">Name of the model.</param>
    /// <param name="load">Returns the model; called if there is something to measure.</param>
    /// <param name="samplings">The ways to sample it, each of which is a row.</param>
    public void Measure(
        string name, Func<MeasuredModel> load, IReadOnlyList<QualitySampling> samplings)
    {
        MeasuredModel? model = null;
        try
        {
            foreach (var sampling in samplings) Measure(name + sampling.Name, () => model ??= load(), sampling);
        }
        finally
        {
            model?.Generator.Dispose();
        }
    }

    private void Measure(string name, Func<MeasuredModel> load, QualitySampling sampling)
    {
        var done = JsonLines.ReadAll<QualityRow>(Results).LastOrDefault(row =>
            row.Name == name && row.Data == _data && row.Images == 10 * _perLabel && row.Trainings == _trainings);
        if (done is not null)
        {
            Console.Error.WriteLine($"'{name}' is not measured again: {Results} has it, of commit {done.Commit}.");
            Console.WriteLine(done);
            return;
        }

        var (model, minutes) = load();
        using var sampled = _ml.ImageGeneration.WithSampling(model, sampling.Change(model.Sampling));
        var evaluations = 0L;
        sampled.Generator.Shared.Evaluating = rows => evaluations += rows;
        var clock = Stopwatch.StartNew();
        var images = ImageQuality.Generate(_ml, sampled, _perLabel, done => { }, default);
        var seconds = clock.Elapsed.TotalSeconds;

        var form = ImageForm.OfFirst(images);
        var hasFloor = FindFloor(10 * _perLabel, form) is not null;
        var quality = ImageQuality.Measure(
            _ml, images, Training, Test, Reference(form), _trainings, withCeiling: !hasFloor, default);
        var metrics = quality.Metrics;
        if (!hasFloor)
        {
            var floor = Describe(Floor, metrics.Floor!, quality.Score?.Ceiling, metrics.GeneratedCount, form);
            JsonLines.Append(Results, floor);
            Console.WriteLine(floor);
        }

        var row = Describe(name, metrics, quality.Score, metrics.GeneratedCount, form) with
        {
            Minutes = minutes,
            Evaluations = (double)evaluations / metrics.GeneratedCount,
            Milliseconds = 1000 * seconds / metrics.GeneratedCount,
        };
        JsonLines.Append(Results, row);
        Console.WriteLine(row);
    }

    /// <summary>Finds the floor, which is the same for all models of a size.</summary>
    private QualityRow? FindFloor(int images, ImageForm form) => JsonLines.ReadAll<QualityRow>(Results)
        .LastOrDefault(row =>
            row.Name == Floor && row.Data == _data && row.Size == $"{form.Height}x{form.Width}" &&
            row.Images == images && row.Trainings == _trainings);

    private QualityRow Describe(
        string name,
        ImageGenerationMetrics metrics,
        ClassificationAccuracyScore? score,
        int images,
        ImageForm form) => new()
        {
            Name = name,
            Data = _data,
            Size = $"{form.Height}x{form.Width}",
            Images = images,
            LabelAccuracy = metrics.LabelAccuracy,
            Frechet = metrics.FrechetDistance,
            Kernel = metrics.KernelDistance,
            Precision = metrics.Precision,
            Recall = metrics.Recall,
            Coverage = metrics.Coverage,
            Authenticity = metrics.Authenticity,
            Score = score?.Accuracy,
            ScoreDeviation = score?.StandardDeviation,
            Trainings = _trainings,
            Commit = Provenance.FindCommit(),
            Machine = Provenance.FindMachine(),
            Command = _command,
        };

    private ITransformer Reference(ImageForm form)
    {
        var file = FindReference(_data, form);
        if (_references.TryGetValue(file, out var reference)) return reference;

        reference = ReferenceClassifier.LoadOrTrain(_ml, Training, form, file, default);
        var predicted = reference.Transform(Test).GetColumn<uint>(ReferenceClassifier.PredictedLabel);
        var labels = ((ConvolutionalNetworkTransformer)reference).LabelValues!;
        var accuracy = predicted
            .Zip(Test.GetColumn<uint>("Label"), (key, label) => labels[(int)key - 1] == $"{label}" ? 1.0 : 0)
            .Average();
        Console.Error.WriteLine($"The reference classifier {file} gets {accuracy:P2} of the test images right.");
        return _references[file] = reference;
    }
}
