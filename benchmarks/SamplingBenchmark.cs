using System.Diagnostics;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>Time of drawing with the method's network: the literal port, ours, and the convolutions alone.</summary>
internal static class SamplingBenchmark
{
    private const int Timesteps = 1000, Timestep = 500;

    private static readonly UNetShape Shape = new(1, 32, 32, Labels: 10, EmbeddingSize: 100, [64, 128, 256]);
    private static readonly ScalarType[] Types = [ScalarType.Float32, ScalarType.BFloat16];

    public static void Run(int rounds)
    {
        using var noGrad = no_grad();
        PrintEvaluations(rounds, [1, 4, 10, 16, 32, 64]);
        PrintPictures(rounds: 3, [1, 16, 64]);
        PrintPipeline(rounds: 3, [32, 64, 128]);
    }

    /// <summary>Draws some rows through ML.NET, and prints the most memory that the process had, in MB.</summary>
    public static void PrintPeakMemory(int rows)
    {
        using var model = Model(new MLContext(), new());
        Draw(model, new MLContext(), rows);
        Console.WriteLine(Process.GetCurrentProcess().PeakWorkingSet64 / 1_000_000);
    }

    /// <summary>One evaluation of the network, by batch size.</summary>
    private static void PrintEvaluations(int rounds, int[] batchSizes)
    {
        using var literal = new LiteralUNet();
        literal.eval();
        using var network = ConditionalUNet.Create(Shape, CPU, seed: 1);
        var fused = Types.Select(type => InferenceUNet.Create(network, type)).ToArray();

        Console.WriteLine($"An evaluation of the network: medians of {rounds} interleaved rounds in ms, {get_num_threads()} threads, libtorch {__version__}.");
        Console.WriteLine();
        Console.WriteLine("| images | literal, float32 | type | plain | fused | fused against literal | convolutions alone | fused, of their peak |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (var batchSize in batchSizes)
        {
            using var scope = NewDisposeScope();
            var x = randn(batchSize, 1, 32, 32);
            var t = full([batchSize], Timestep, ScalarType.Int64);
            var labels = arange(batchSize, ScalarType.Int64).remainder(Shape.Labels);
            var repeats = Math.Max(1, 32 / batchSize);

            Func<double> Time(Func<Tensor> evaluate) => () => Rounds.Time(repeats, () =>
            {
                using var intermediates = NewDisposeScope();
                evaluate();
            });

            var times = Rounds.Measure(rounds, [
                Time(() => literal.forward(x, t, labels)),
                .. Types.SelectMany((type, i) =>
                {
                    var embeddings = fused[i].Prepare([Timestep], labels.data<long>().ToArray());
                    var ceiling = new ConvolutionCeiling(batchSize, type, training: false);
                    return new[]
                    {
                        Time(() => network.Forward(x, t, labels, type: type)),
                        Time(() => fused[i].Forward(x, embeddings, 0)),
                        () => ceiling.Measure(repeats),
                    };
                }),
            ]);
            for (var i = 0; i < Types.Length; i++)
            {
                var (plain, ours, ceiling) = (times[3 * i + 1], times[3 * i + 2], times[3 * i + 3]);
                Console.WriteLine(
                    $"| {batchSize} | {Milliseconds(times[0])} | {Types[i]} | {Milliseconds(plain)} | {Milliseconds(ours)} | {Ratio(times[0], ours):F2}x " +
                    $"| {Milliseconds(ceiling)} | {Ratio(ceiling, ours):P0} |");
            }
        }
        foreach (var form in fused) form.Dispose();
    }

    /// <summary>Whole drawings, by sampler and batch size.</summary>
    private static void PrintPictures(int rounds, int[] batchSizes)
    {
        const int Shown = 50; // steps of the loops of a thousand that are measured
        (string Name, SamplingOptions Options, int Times)[] samplers =
        [
            ("DDPM, 1,000 steps, float32", new() { Sampler = Sampler.Ancestral, Steps = Shown, ClipPixels = false, Precision = Precision.Float32 }, Timesteps / Shown),
            ("DDPM, 1,000 steps", new() { Sampler = Sampler.Ancestral, Steps = Shown, ClipPixels = false }, Timesteps / Shown),
            ("DDIM, 50 steps", new() { Sampler = Sampler.Ddim, Steps = 50 }, 1),
            ("DPM-Solver++, 20 steps", new(), 1),
            ("DPM-Solver++, 10 steps", new() { Steps = 10 }, 1),
        ];
        var ml = new MLContext();
        using var literal = new LiteralUNet();
        literal.eval();
        var models = samplers.Select(sampler => Model(ml, sampler.Options)).ToArray();

        Console.WriteLine();
        Console.WriteLine($"Pictures: medians of {rounds} interleaved rounds, in ms a picture; of a thousand steps {Shown} are measured, and multiplied by {Timesteps / Shown}.");
        Console.WriteLine();
        Console.WriteLine($"| pictures at a time | literal DDPM, 1,000 steps, float32 | {string.Join(" | ", samplers.Select(sampler => sampler.Name))} | 20 steps against literal |");
        Console.WriteLine($"| --- | --- | {string.Concat(samplers.Select(_ => "--- | "))}--- |");
        foreach (var batchSize in batchSizes)
        {
            Condition[] rows = [.. Enumerable.Range(0, batchSize).Select(i => new Condition(i % Shape.Labels, (uint)i, 1))];
            var times = Rounds.Measure(rounds, [
                () => Rounds.Time(1, () => DrawLiterally(literal, batchSize, Shown)) * Timesteps / Shown / batchSize,
                .. models.Select((model, i) => (Func<double>)(() => Rounds.Time(1, () => model.Generator.Generate(rows)) * samplers[i].Times / batchSize)),
            ]);
            Console.WriteLine($"| {batchSize} | {string.Join(" | ", times.Select(Milliseconds))} | {Ratio(times[0], times[4]):F0}x |");
        }
        foreach (var model in models) model.Dispose();
    }

    /// <summary>What ML.NET, and then writing PNG files, add to the drawing, and how its time grows with the rows.</summary>
    private static void PrintPipeline(int rounds, int[] counts)
    {
        var ml = new MLContext();
        using var model = Model(ml, new());
        var directory = Directory.CreateTempSubdirectory("conddiffusion-").FullName;
        Console.WriteLine();
        Console.WriteLine($"Rows through ML.NET, by 20 steps: medians of {rounds} interleaved rounds, in seconds.");
        Console.WriteLine();
        Console.WriteLine("| rows | generator alone | Transform | Transform, and a PNG file each | ML.NET adds | ML.NET and files add | ms a row | peak memory |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (var count in counts)
        {
            Condition[] rows = [.. Enumerable.Range(0, count).Select(i => new Condition(i % Shape.Labels, (uint)i, 1))];
            var times = Rounds.Measure(rounds, [
                () => Rounds.Time(1, () =>
                {
                    foreach (var batch in rows.Chunk(model.Generator.ChooseBatchSize())) model.Generator.Generate(batch);
                }),
                () => Rounds.Time(1, () => Draw(model, ml, count)),
                () => Rounds.Time(1, () =>
                {
                    var images = Draw(model, ml, count);
                    for (var i = 0; i < count; i++) images[i].Save(Path.Combine(directory, $"{i}.png"));
                }),
            ]);
            using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["sampling-memory", $"{count}"]) { RedirectStandardOutput = true })!;
            Console.WriteLine(
                $"| {count} | {string.Join(" | ", times.Select(time => $"{Rounds.Median(time):F2}"))} | {Ratio(times[1], times[0]) - 1:P1} " +
                $"| {Ratio(times[2], times[0]) - 1:P1} | {Rounds.Median(times[1]) / count * 1e3:F1} | {process.StandardOutput.ReadToEnd().Trim()} MB |");
        }
        Directory.Delete(directory, recursive: true);
    }

    private static ConditionalDiffusionTransformer Model(MLContext ml, SamplingOptions sampling) => new(ml, new()
    {
        Network = Shape,
        Timesteps = Timesteps,
        Labels = new(Shape.Labels, null),
        LabelColumnName = nameof(Row.Label),
        OutputColumnName = "GeneratedImage",
        Sampling = sampling,
        Seed = 1,
    }, ConditionalUNet.Create(Shape, CPU, seed: 1));

    private static MLImage[] Draw(ConditionalDiffusionTransformer model, MLContext ml, int count)
    {
        var rows = ml.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(i => new Row { Label = (uint)(i % Shape.Labels) }));
        return [.. model.Transform(rows).GetColumn<MLImage>("GeneratedImage")];
    }

    /// <summary>The method's reverse loop as one writes it down from PyTorch, for the first so many of its steps.</summary>
    private static void DrawLiterally(LiteralUNet network, int batchSize, int steps)
    {
        using var run = NewDisposeScope();
        var alphas = 1 - linspace(1e-4, 0.02, Timesteps);
        var alphaBars = cumprod(alphas, 0);
        var labels = arange(batchSize, ScalarType.Int64).remainder(Shape.Labels);
        var x = randn(batchSize, 1, 32, 32);
        for (var t = Timesteps; t > Timesteps - steps; t--)
        {
            using var scope = NewDisposeScope();
            var (alpha, alphaBar, alphaBarPrevious) = (alphas[t - 1], alphaBars[t - 1], t > 1 ? alphaBars[t - 2] : ones(1));
            var eps = network.forward(x, full([batchSize], t, ScalarType.Int64), labels);
            var noise = randn_like(x);
            var mu = (x - (1 - alpha) / sqrt(1 - alphaBar) * eps) / sqrt(alpha);
            var next = (mu + noise * sqrt((1 - alpha) * (1 - alphaBarPrevious) / (1 - alphaBar))).DetachFromDisposeScope();
            x.Dispose();
            x = next;
        }
        x.Dispose();
    }

    private static string Milliseconds(double[] seconds) => $"{Rounds.Median(seconds) * 1e3:F1}";

    /// <summary>The median of the rounds' ratios.</summary>
    private static double Ratio(double[] these, double[] those) => Rounds.Median([.. these.Zip(those, (a, b) => a / b)]);

    private sealed class Row
    {
        [KeyType(10)]
        public uint Label { get; set; }
    }
}
