using System.Diagnostics;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Data;
using static CondDiffusion.MLNet.Benchmarks.MeasuredNetworks;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Measures generation with the published network: by the PyTorch-style baseline, by this library, and the convolutions
/// alone.
/// </summary>
internal static class SamplingBenchmark
{
    private const int Timesteps = 1000;
    private const int Timestep = 500;
    private const int MeasuredSteps = 50; // of a run of 1,000 steps
    private const int Loops = Timesteps / MeasuredSteps;

    private static readonly ScalarType[] Types = [ScalarType.Float32, ScalarType.BFloat16];

    public static void Run(int rounds)
    {
        using var noGrad = no_grad();
        PrintEvaluations("published", Plain, rounds, [1, 4, 10, 16, 32, 64]);
        PrintEvaluations("residual", Residual, rounds, [1, 4, 10, 16, 32, 64]);
        PrintImages(rounds: 3, [1, 16, 64]);
        PrintPipeline(rounds: 3, [32, 64, 128]);
    }

    /// <summary>Generates images through ML.NET, and prints the peak memory of the process in MB.</summary>
    public static void PrintPeakMemory(int rows)
    {
        using var model = Model(new MLContext(), new());
        Generate(model, new MLContext(), rows);
        Console.WriteLine(Process.GetCurrentProcess().PeakWorkingSet64 / 1_000_000);
    }

    /// <summary>Measures one evaluation of the network, by batch size.</summary>
    private static void PrintEvaluations(string name, UNetShape shape, int rounds, int[] batchSizes)
    {
        using var baseline = new LiteralUNet();
        baseline.eval();
        using var network = ConditionalUNet.Create(shape, CPU, seed: 1);
        InferenceUNet[] fused = [.. Types.Select(type => InferenceUNet.Create(network, type))];

        Console.WriteLine(
            $"An evaluation of the {name} network, and of the published one by the baseline: medians of {rounds} " +
            "interleaved rounds in ms, " +
            $"{get_num_threads()} threads, libtorch {__version__}.");
        Console.WriteLine();
        PrintRow(
            "images", "baseline, float32", "type", "plain", "fused", "fused against the baseline", "convolutions alone",
            "fused, of their peak");
        PrintRule(columns: 8);

        foreach (var batchSize in batchSizes)
        {
            using var scope = NewDisposeScope();
            var image = randn(batchSize, 1, 32, 32);
            var x = randn(batchSize, 1, shape.Height, shape.Width);
            var t = full([batchSize], Timestep, ScalarType.Int64);
            var noise = shape.NoiseAt(NoiseSchedule.Linear(Timesteps), Timestep);
            var noises = full([batchSize], noise, ScalarType.Float32);
            var labels = arange(batchSize, ScalarType.Int64).remainder(shape.Labels);
            var repeats = Math.Max(1, 32 / batchSize);

            Func<double> Time(Func<Tensor> evaluate) => () => Rounds.Time(repeats, () =>
            {
                using var intermediates = NewDisposeScope();
                evaluate();
            });

            var times = Rounds.Measure(rounds, [
                Time(() => baseline.forward(image, t, labels)),
                .. Types.SelectMany((type, i) =>
                {
                    var embeddings = fused[i].Prepare([noise], labels.data<long>().ToArray());
                    var ceiling = new ConvolutionCeiling(shape, batchSize, type, training: false);
                    return new[]
                    {
                        Time(() => network.Forward(x, noises, labels, type: type)),
                        Time(() => fused[i].Forward(x, embeddings, 0)),
                        () => ceiling.Measure(repeats),
                    };
                }),
            ]);

            for (var i = 0; i < Types.Length; i++)
            {
                var plain = times[3 * i + 1];
                var ours = times[3 * i + 2];
                var ceiling = times[3 * i + 3];
                PrintRow(
                    $"{batchSize}",
                    Milliseconds(times[0]),
                    $"{Types[i]}",
                    Milliseconds(plain),
                    Milliseconds(ours),
                    $"{Ratio(times[0], ours):F2}x",
                    Milliseconds(ceiling),
                    $"{Ratio(ceiling, ours):P0}");
            }
        }

        foreach (var form in fused) form.Dispose();
    }

    /// <summary>Measures the generation of images, by network, sampler and batch size.</summary>
    private static void PrintImages(int rounds, int[] batchSizes)
    {
        var ddpm = new SamplingOptions { Sampler = Sampler.Ancestral, Steps = MeasuredSteps, ClipPixels = false };
        var ml = new MLContext();
        using var baseline = new LiteralUNet();
        baseline.eval();
        (string Name, ConditionalDiffusionTransformer Model, int Times)[] models =
        [
            ("DDPM, 1,000 steps, float32", Model(ml, ddpm with { Precision = Precision.Float32 }), Loops),
            ("DDPM, 1,000 steps", Model(ml, ddpm), Loops),
            ("DDIM, 50 steps", Model(ml, new() { Sampler = Sampler.Ddim, Steps = 50 }), 1),
            ("DPM-Solver++, 20 steps", Model(ml, new() { Steps = 20 }), 1),
            ("residual, by default", Guided(ml), 1),
            ("residual, distilled to 4 steps", Distilled(ml, 4), 1),
            ("to 2 steps", Distilled(ml, 2), 1),
            ("to 1 step", Distilled(ml, 1), 1),
        ];

        Console.WriteLine();
        Console.WriteLine(
            $"Images: medians of {rounds} interleaved rounds, in ms per image. Of 1,000 steps {MeasuredSteps} are " +
            $"measured, and their time is multiplied by {Loops}.");
        Console.WriteLine();
        PrintRow([
            "images at a time", "baseline, DDPM, 1,000 steps, float32", .. models.Select(model => model.Name),
            "20 steps against the baseline", "2 steps against the baseline",
        ]);
        PrintRule(columns: 4 + models.Length);

        foreach (var batchSize in batchSizes)
        {
            Func<double> Time(Action sample, int times) =>
                () => Rounds.Time(1, sample) * times / batchSize;

            Func<double> TimeModel(ConditionalDiffusionTransformer model, int times)
            {
                var rows = Conditions(batchSize, ((ITrainedModel)model).Description.GuidanceScale);
                return Time(() => model.Generator.Generate(rows), times);
            }

            var times = Rounds.Measure(rounds, [
                Time(() => SampleBaseline(baseline, batchSize, MeasuredSteps), Loops),
                .. models.Select(model => TimeModel(model.Model, model.Times)),
            ]);
            PrintRow([
                $"{batchSize}", .. times.Select(Milliseconds),
                $"{Ratio(times[0], times[4]):F0}x", $"{Ratio(times[0], times[7]):F0}x",
            ]);
        }

        foreach (var (_, model, _) in models) model.Dispose();
    }

    /// <summary>
    /// Measures what ML.NET, and then writing PNG files, add to the generation, and how its time grows with the rows.
    /// </summary>
    private static void PrintPipeline(int rounds, int[] counts)
    {
        var ml = new MLContext();
        using var model = Model(ml, new() { Steps = 20 });
        var directory = Directory.CreateTempSubdirectory("conddiffusion-").FullName;

        Console.WriteLine();
        Console.WriteLine($"Rows through ML.NET, by 20 steps: medians of {rounds} interleaved rounds, in seconds.");
        Console.WriteLine();
        PrintRow(
            "rows", "generator alone", "Transform", "Transform, and a PNG file each", "ML.NET adds",
            "ML.NET and files add", "ms per row", "peak memory");
        PrintRule(columns: 8);

        foreach (var count in counts)
        {
            var rows = Conditions(count);
            var times = Rounds.Measure(rounds, [
                () => Rounds.Time(1, () =>
                {
                    var batchSize = model.Generator.ChooseBatchSize();
                    foreach (var batch in rows.Chunk(batchSize)) model.Generator.Generate(batch);
                }),
                () => Rounds.Time(1, () => Generate(model, ml, count)),
                () => Rounds.Time(1, () =>
                {
                    var images = Generate(model, ml, count);
                    for (var i = 0; i < count; i++) images[i].Save(Path.Combine(directory, $"{i}.png"));
                }),
            ]);

            PrintRow([
                $"{count}",
                .. times.Select(time => $"{Rounds.Median(time):F2}"),
                $"{Ratio(times[1], times[0]) - 1:P1}",
                $"{Ratio(times[2], times[0]) - 1:P1}",
                $"{Rounds.Median(times[1]) / count * 1e3:F1}",
                $"{MeasurePeakMemory(count)} MB",
            ]);
        }

        Directory.Delete(directory, recursive: true);
    }

    /// <summary>Runs <see cref="PrintPeakMemory"/> in a process of its own, and returns what it prints.</summary>
    private static string MeasurePeakMemory(int rows)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["sampling-memory", $"{rows}"])
        {
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        return process.StandardOutput.ReadToEnd().Trim();
    }

    private static ConditionalDiffusionTransformer Model(MLContext ml, SamplingOptions sampling) =>
        new(ml, Describe(Plain, sampling), ConditionalUNet.Create(Plain, CPU, seed: 1));

    /// <summary>Creates a model with the residual network, guided as by default.</summary>
    private static ConditionalDiffusionTransformer Guided(MLContext ml)
    {
        var description = Describe(Residual, new SamplingOptions().ResolveGuidance(generatesUnlabelled: true)) with
        {
            Prediction = PredictionTarget.Velocity,
            GeneratesUnlabelled = true,
        };
        return new(ml, description, ConditionalUNet.Create(Residual, CPU, seed: 1));
    }

    private static Condition[] Conditions(int count, float guidance = 1) =>
        [.. Enumerable.Range(0, count).Select(i => new Condition(i % Plain.Labels, (uint)i, guidance))];

    private static MLImage[] Generate(ConditionalDiffusionTransformer model, MLContext ml, int count)
    {
        var rows = Enumerable.Range(0, count).Select(i => new Row { Label = (uint)(i % Plain.Labels) });
        var images = model.Transform(ml.Data.LoadFromEnumerable(rows));
        return [.. images.GetColumn<MLImage>("GeneratedImage")];
    }

    /// <summary>
    /// Runs the first <paramref name="steps"/> steps of ancestral sampling (Ho et al. 2020, arXiv 2006.11239, algorithm
    /// 2) as one would first write them in PyTorch.
    /// </summary>
    private static void SampleBaseline(LiteralUNet network, int batchSize, int steps)
    {
        using var run = NewDisposeScope();
        var alphas = 1 - linspace(1e-4, 0.02, Timesteps);
        var alphaBars = cumprod(alphas, 0);
        var labels = arange(batchSize, ScalarType.Int64).remainder(Plain.Labels);
        var x = randn(batchSize, 1, 32, 32);
        for (var t = Timesteps; t > Timesteps - steps; t--)
        {
            using var scope = NewDisposeScope();
            var alpha = alphas[t - 1];
            var alphaBar = alphaBars[t - 1];
            var alphaBarPrevious = t > 1 ? alphaBars[t - 2] : ones(1);

            var eps = network.forward(x, full([batchSize], t, ScalarType.Int64), labels);
            var noise = randn_like(x);
            var mu = (x - (1 - alpha) / sqrt(1 - alphaBar) * eps) / sqrt(alpha);
            var sigma = sqrt((1 - alpha) * (1 - alphaBarPrevious) / (1 - alphaBar));
            var next = (mu + noise * sigma).DetachFromDisposeScope();
            x.Dispose();
            x = next;
        }
        x.Dispose();
    }

    private static void PrintRow(params IEnumerable<string> cells) =>
        Console.WriteLine($"| {string.Join(" | ", cells)} |");

    private static void PrintRule(int columns) => PrintRow(Enumerable.Repeat("---", columns));

    private static string Milliseconds(double[] seconds) => $"{Rounds.Median(seconds) * 1e3:F1}";

    /// <summary>Returns the median of the rounds' ratios.</summary>
    private static double Ratio(double[] these, double[] those) =>
        Rounds.Median([.. these.Zip(those, (a, b) => a / b)]);

    private sealed class Row
    {
        [KeyType(10)]
        public uint Label { get; set; }
    }
}
