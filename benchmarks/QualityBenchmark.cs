using System.Diagnostics;
using System.Globalization;
using CondDiffusion.Examples;
using Microsoft.ML;
using Microsoft.ML.Transforms;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Measures the quality of models: those of files, and those of named trainings, which it trains; also at given minutes
/// of their training.
/// </summary>
internal static class QualityBenchmark
{
    /// <summary>The file beside checkpoints with the minutes that the training has taken.</summary>
    private const string Clock = "minutes.txt";

    /// <summary>Prints one table of models.</summary>
    public static void Run(Arguments arguments)
    {
        var meter = new QualityMeter(arguments, Provenance.FindCommand());
        var samplings = QualitySampling.Parse(arguments);
        Console.WriteLine(QualityRow.Head);
        foreach (var file in arguments.List("--model"))
            meter.Measure(Path.GetFileNameWithoutExtension(file), () => meter.Load(file), samplings);

        var epochs = arguments.Number("--epochs", 6);
        foreach (var seed in Enumerable.Range(1, arguments.Number("--seeds", 1)))
        {
            foreach (var training in arguments.List("--trainings").Select(QualityTraining.Find))
            {
                var name = $"{training.Name}, {epochs} epochs, seed {seed}";
                meter.Measure(name, () => Train(meter, arguments, training, epochs, seed), samplings);
            }
        }
    }

    /// <summary>Prints a table of one training's model after each of some numbers of minutes.</summary>
    public static void RunCurve(Arguments arguments)
    {
        var meter = new QualityMeter(arguments, Provenance.FindCommand());
        var samplings = QualitySampling.Parse(arguments);
        var minutes = arguments.Text("--minutes").Split(',').Select(int.Parse).Order().ToArray();
        var epochs = arguments.Number("--epochs", 50);
        Console.WriteLine(QualityRow.Head);
        foreach (var training in arguments.List("--trainings").Select(QualityTraining.Find))
        {
            // Each stage resumes from the checkpoint of the one before.
            foreach (var time in minutes)
            {
                var name = $"{training.Name}, {time} minutes";
                meter.Measure(name, () => Train(meter, arguments, training, epochs, seed: 1, time), samplings);
            }
        }

        QualityPlot.Write();
    }

    /// <summary>Trains a model, or loads the one that an earlier run trained.</summary>
    /// <param name="meter">The data.</param>
    /// <param name="arguments">The name of the data set.</param>
    /// <param name="training">The training.</param>
    /// <param name="epochs">Its epochs.</param>
    /// <param name="seed">Its seed.</param>
    /// <param name="time">The minutes after which to stop, with those of earlier runs; null at the end.</param>
    /// <exception cref="InvalidOperationException">Earlier runs have trained for longer.</exception>
    public static MeasuredModel Train(
        QualityMeter meter, Arguments arguments, QualityTraining training, int epochs, int seed, double? time = null)
    {
        var data = arguments.Find("--data") ?? "mnist";
        var name = $"{training.Name}-{data}-{epochs}-{seed}";
        var file = Path.Combine(QualityMeter.Cache, $"{name}.zip");
        if (time is null && File.Exists(file)) return meter.Load(file);

        Console.Error.WriteLine($"Training {name}.");
        var checkpoints = Path.Combine(QualityMeter.Cache, $"{name}-checkpoints");
        var clockFile = Path.Combine(checkpoints, Clock);
        var before = FindMinutes(checkpoints, clockFile);
        if (time is not null && !(before < time))
        {
            var trained = before is null ? "an unknown time" : $"{before:F1} minutes";
            throw new InvalidOperationException(
                $"'{checkpoints}' has been trained for {trained} already, and a model of {time} minutes is to be " +
                "measured: delete the directory.");
        }

        // A run that is killed leaves checkpoints of an unknown time.
        if (Directory.Exists(checkpoints)) File.Delete(clockFile);
        var options = training.Options;
        using var stop = new CancellationTokenSource(
            time is { } end ? TimeSpan.FromMinutes(end - before!.Value) : Timeout.InfiniteTimeSpan);
        var clock = Stopwatch.StartNew();
        var ml = new MLContext(seed);
        var pipeline = ml.Transforms.NormalizeImages("Pixels", "Image", options.Width, options.Height)
            .Append(ml.Transforms.Conversion.MapValueToKey(
                "Label", keyOrdinality: ValueToKeyMappingEstimator.KeyOrdinality.ByValue))
            .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion(options with
            {
                Epochs = epochs,
                Seed = seed,
                Progress = new ProgressBar(Console.Error),
                CheckpointDirectory = checkpoints,
                CancellationToken = stop.Token,
                OnCancellation = CancellationBehavior.ReturnModel,
            }));
        var model = pipeline.Fit(meter.Training);
        var minutes = before + clock.Elapsed.TotalMinutes;
        if (time is null) ModelFile.Save(ml, model, file);
        else File.WriteAllText(clockFile, minutes!.Value.ToString(CultureInfo.InvariantCulture));
        return new(model.LastTransformer, minutes);
    }

    /// <summary>Returns the minutes of the training so far; null where they are not known.</summary>
    private static double? FindMinutes(string checkpoints, string clockFile)
    {
        if (!Directory.Exists(checkpoints)) return 0;
        return File.Exists(clockFile)
            ? double.Parse(File.ReadAllText(clockFile), CultureInfo.InvariantCulture)
            : null;
    }
}
