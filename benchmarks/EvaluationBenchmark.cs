using System.Diagnostics;
using CondDiffusion.Examples;
using CondDiffusion.MLNet.Evaluation;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Compares precision, recall, density and coverage with published values, and measures time and memory of an
/// evaluation.
/// </summary>
internal static class EvaluationBenchmark
{
    public static void Run(Arguments arguments)
    {
        CompareWithPublished();
        Measure(arguments.Number("--rows", 50_000), arguments.Number("--features", 256));
    }

    /// <summary>
    /// The self-test of Naeem et al. 2020 (arXiv 2002.09797): two samples of N(0, I) in 1,000 dimensions. Theirs is one
    /// draw, too: the few rows nearest to the mean are in most balls, so that draws differ.
    /// </summary>
    private static void CompareWithPublished()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1, CPU);
        var real = randn([10_000, 1000], ScalarType.Float32, CPU, generator: random);
        var generated = randn([10_000, 1000], ScalarType.Float32, CPU, generator: random);
        var distances = new Distances(zeros(1000, ScalarType.Float64, CPU), () => { });
        var scores = NeighborScores.Compute(distances, generated, real, distances.FindRadii(real, 5), 5);
        Console.WriteLine("| 10,000 of N(0, I) in 1,000 dimensions | precision | recall | density | coverage |");
        Console.WriteLine("| --- | --- | --- | --- | --- |");
        Console.WriteLine("| published | 0.477 | 0.471 | 1.056 | 0.974 |");
        Console.WriteLine(
            $"| measured | {scores.Precision:F3} | {scores.Recall:F3} | {scores.Density:F3} | {scores.Coverage:F3} |");
    }

    private static void Measure(int rows, int features)
    {
        var ml = new MLContext(seed: 1);
        var generated = Rows(ml, rows, features, seed: 1);
        var real = Rows(ml, rows, features, seed: 2);
        var clock = Stopwatch.StartNew();
        ml.ImageGeneration.Evaluate(generated, real, new() { LabelColumnName = null });

        using var process = Process.GetCurrentProcess();
        Console.WriteLine(
            $"\n{rows} x {rows} rows of {features} features, without labels and training data: " +
            $"{clock.Elapsed.TotalSeconds:F0} s, at most {process.PeakWorkingSet64 / 1_000_000} MB in all.");
    }

    /// <summary>Creates normal features row by row, so that their memory is that of the evaluation.</summary>
    private static IDataView Rows(MLContext ml, int rows, int features, int seed)
    {
        var schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, features);
        return ml.Data.LoadFromEnumerable(Create(), schema);

        IEnumerable<Row> Create()
        {
            var random = new Random(seed);
            for (var row = 0; row < rows; row++)
                yield return new() { Features = [.. Enumerable.Range(0, features).Select(_ => Normal(random))] };
        }
    }

    /// <summary>Draws a normal number (Box and Muller 1958).</summary>
    private static float Normal(Random random) => (float)(
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));

    private sealed class Row
    {
        public float[] Features { get; set; } = [];
    }
}
