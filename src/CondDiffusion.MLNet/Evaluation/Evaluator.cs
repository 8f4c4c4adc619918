using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>Computes the metrics of generated rows.</summary>
internal sealed class Evaluator
{
    private readonly EvaluationOptions _options;
    private readonly int _seed;
    private readonly Action _checkAlive;
    private readonly Distances _distances;

    private Evaluator(EvaluationOptions options, int seed, Tensor origin, Action checkAlive)
    {
        _options = options;
        _seed = seed;
        _checkAlive = checkAlive;
        _distances = new(origin, checkAlive);
    }

    /// <inheritdoc cref="ImageGenerationCatalog.Evaluate"/>
    public static ImageGenerationMetrics Evaluate(
        IHostEnvironment environment, IDataView generated, IDataView real, EvaluationOptions options)
    {
        options.Validate();
        TorchRuntime.EnsureLoaded();
        var host = environment.Register(nameof(Evaluator));
        using var channel = host.Start(nameof(Evaluate));
        var readers = new List<FeatureReader> { Open(generated, nameof(generated), options.PredictedLabelColumnName) };
        readers.Add(Open(real, nameof(real), FindPredicted(real)));
        if (options.TrainingData is { } training)
            readers.Add(Open(training, nameof(training), FindPredicted(training)));
        CheckColumns(readers);

        var rows = readers.ConvertAll(reader => reader.Read(CheckAlive));
        var checks = new SetChecks(rows, line => channel.Warning(MessageSensitivity.None, line));
        var labels = checks.FindLabels();
        checks.CheckCounts(labels, options.Neighbors);
        checks.WarnOfOverlap();

        var seed = options.Seed ?? MLNetInternals.Seed(host) ?? 0;

        // From here on, no view is read and nothing is logged: nobody else's code runs in the scope.
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var sets = rows.ConvertAll(set => set.MoveToSet());
        var evaluator = new Evaluator(options, seed, Distances.Mean(sets[1].Features), CheckAlive);
        return evaluator.Score(labels, sets[0], sets[1], sets.ElementAtOrDefault(2));

        FeatureReader Open(IDataView data, string view, string? predicted = null) =>
            new(data, view, options.FeatureColumnName, options.LabelColumnName, predicted);

        // The floor has a label accuracy where its data have predicted labels.
        string? FindPredicted(IDataView data) =>
            options.PredictedLabelColumnName is { } name && data.Schema.GetColumnOrNull(name) is not null ? name : null;

        void CheckAlive() => MLNetInternals.CheckAlive(host, options.CancellationToken);
    }

    private static void CheckColumns(List<FeatureReader> readers)
    {
        var first = readers[0];
        foreach (var other in readers.Skip(1).Where(other => other.Size != first.Size))
        {
            throw new ArgumentException(
                $"Column '{other.FeatureName}' has {first.Size} features in the {first.View} data, but {other.Size} " +
                $"in the {other.View} data.",
                other.View);
        }

        ComparableLabels.Check(readers.SelectMany(
            reader => new[] { (reader.View, reader.Label), (reader.View, Label: reader.Predicted) }));
    }

    private ImageGenerationMetrics Score(
        IReadOnlyList<string> labels, FeatureSet generated, FeatureSet real, FeatureSet? training)
    {
        using var scope = NewDisposeScope();
        var (sample, others) = ChooseFloor(labels, generated, real, training);
        var perLabel = new List<ImageGenerationMetrics>();
        foreach (var label in labels)
        {
            using var labelScope = NewDisposeScope();
            var labelReal = Select(real);
            perLabel.Add(Score(
                label,
                Select(generated),
                labelReal,
                training is null ? null : Select(training),
                Select(sample),
                others == real ? labelReal : Select(others)));

            FeatureSet Select(FeatureSet set) => set.Select(set.Find(label));
        }

        return Score(null, generated, real, training, sample, others, perLabel);
    }

    private ImageGenerationMetrics Score(
        string? label,
        FeatureSet generated,
        FeatureSet real,
        FeatureSet? training,
        FeatureSet sample,
        FeatureSet others,
        IReadOnlyList<ImageGenerationMetrics>? perLabel = null)
    {
        using var scope = NewDisposeScope();
        var realRadii = _distances.FindRadii(real.Features, _options.Neighbors);
        var detection = training is null ? null : new CopyDetection(_distances, training.Features);
        ImageGenerationMetrics? floor = null;
        if (Math.Min(sample.Count, others.Count) > _options.Neighbors)
        {
            var radii = others == real ? realRadii : _distances.FindRadii(others.Features, _options.Neighbors);
            floor = Measure(
                label, sample, others, radii, training, detection?.ComputeAuthenticity(real.Features), null, null, []);
        }

        return Measure(
            label,
            generated,
            real,
            realRadii,
            training,
            detection?.ComputeAuthenticity(generated.Features),
            detection?.ComputeStatistic(generated.Features, real.Features, new(_seed)),
            floor,
            perLabel ?? []);
    }

    private ImageGenerationMetrics Measure(
        string? label,
        FeatureSet generated,
        FeatureSet real,
        double[] realRadii,
        FeatureSet? training,
        double? authenticity,
        double? copyingStatistic,
        ImageGenerationMetrics? floor,
        IReadOnlyList<ImageGenerationMetrics> perLabel)
    {
        var (x, y) = (generated.Features, real.Features);
        var neighbors = NeighborScores.Compute(_distances, x, y, realRadii, _options.Neighbors);
        var kernel = KernelDistance.Between(
            x, y, _options.KernelSubsets, _options.KernelSubsetSize, new(_seed), _checkAlive);
        var accuracy = generated.Predicted?.Zip(generated.Labels!).Average(row => row.First == row.Second ? 1.0 : 0);
        return new()
        {
            Label = label,
            GeneratedCount = generated.Count,
            RealCount = real.Count,
            TrainingCount = training?.Count,
            FeatureCount = (int)x.shape[1],
            FrechetDistance = FrechetDistance.Between(x, y),
            KernelDistance = kernel.Mean,
            KernelDistanceStandardDeviation = kernel.Deviation,
            Precision = neighbors.Precision,
            Recall = neighbors.Recall,
            Density = neighbors.Density,
            Coverage = neighbors.Coverage,
            LabelAccuracy = accuracy,
            Authenticity = authenticity,
            CopyingStatistic = copyingStatistic,
            Floor = floor,
            PerLabel = perLabel,
        };
    }

    /// <summary>
    /// Chooses the rows that are compared for the floor: training rows, as many of each label as were generated, and
    /// all real ones; or two random halves of each label's real rows.
    /// </summary>
    private (FeatureSet Sample, FeatureSet Others) ChooseFloor(
        IReadOnlyList<string> labels, FeatureSet generated, FeatureSet real, FeatureSet? training)
    {
        var random = new Random(_seed);
        var source = training ?? real;
        var (sample, others) = (new List<int>(), new List<int>());
        foreach (var label in labels.DefaultIfEmpty())
        {
            var rows = source.Find(label);
            random.Shuffle(rows);
            var count = training is null ? rows.Length / 2 : Math.Min(rows.Length, generated.Find(label).Length);
            sample.AddRange(rows[..count]);
            if (training is null) others.AddRange(rows[count..(2 * count)]);
        }

        return (source.Select([.. sample]), training is null ? real.Select([.. others]) : real);
    }
}
