using System.Diagnostics;
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
            for (var stage = 0; stage < minutes.Length; stage++)
            {
                var time = TimeSpan.FromMinutes(minutes[stage] - (stage > 0 ? minutes[stage - 1] : 0));
                var name = $"{training.Name}, {minutes[stage]} minutes";
                meter.Measure(
                    name,
                    () => Train(meter, arguments, training, epochs, seed: 1, time) with { Minutes = minutes[stage] },
                    samplings);
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
    /// <param name="time">When to stop; null at the end.</param>
    public static MeasuredModel Train(
        QualityMeter meter, Arguments arguments, QualityTraining training, int epochs, int seed, TimeSpan? time = null)
    {
        var data = arguments.Find("--data") ?? "mnist";
        var name = $"{training.Name}-{data}-{epochs}-{seed}";
        var file = Path.Combine(QualityMeter.Cache, $"{name}.zip");
        if (time is null && File.Exists(file)) return meter.Load(file);

        Console.Error.WriteLine($"Training {name}.");
        var checkpoints = Path.Combine(QualityMeter.Cache, $"{name}-checkpoints");
        var isWhole = !Directory.Exists(checkpoints);
        var clock = Stopwatch.StartNew();
        var options = training.Options;
        using var stop = time is { } limit ? new CancellationTokenSource(limit) : new();
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
        var minutes = clock.Elapsed.TotalMinutes;
        if (time is null) ModelFile.Save(ml, model, file);
        return new(model.LastTransformer, isWhole ? minutes : null);
    }
}
