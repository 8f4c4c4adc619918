using System.Diagnostics;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>Time of one training step of the method's network: the literal port, ours in float32 and in bfloat16, and the convolutions alone.</summary>
internal static class TrainingBenchmark
{
    private const int BatchSize = 128, Timesteps = 1000;

    private static readonly UNetShape Shape = new(1, 32, 32, Labels: 10, EmbeddingSize: 100, [64, 128, 256]);

    /// <summary>Measures every variant once a round, in turn, so that a machine whose speed drifts is fair to all; prints medians.</summary>
    public static void Run(int rounds)
    {
        var variants = Variants().ToArray();
        var ceilings = new[] { ScalarType.Float32, ScalarType.BFloat16 }.Select(type => new ConvolutionCeiling(BatchSize, type, training: true)).ToArray();
        var times = Rounds.Measure(rounds, [
            .. variants.Select(variant => (Func<double>)(() => Rounds.Time(1, variant.Step))), .. ceilings.Select(ceiling => (Func<double>)(() => ceiling.Measure())),
        ]);
        var medians = times.Select(Rounds.Median).ToArray();
        Console.WriteLine($"A training step of {BatchSize} images: medians of {rounds} interleaved rounds, {get_num_threads()} threads, libtorch {__version__}.");
        Console.WriteLine();
        Console.WriteLine("| | step | images/s | against literal | of its convolutions' peak | peak memory |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- |");
        for (var i = 0; i < variants.Length; i++)
        {
            var ceiling = medians[variants.Length + (variants[i].Type == ScalarType.BFloat16 ? 1 : 0)];
            Console.WriteLine(
                $"| {variants[i].Name} | {medians[i] * 1e3:F0} ms | {BatchSize / medians[i]:F0} | {Rounds.Median([.. times[0].Zip(times[i], (a, b) => a / b)]):F2}x " +
                $"| {ceiling / medians[i]:P0} | {MeasurePeakMemory(variants[i].Key)} MB |");
        }
        Console.WriteLine();
        for (var i = 0; i < ceilings.Length; i++)
        {
            var median = medians[variants.Length + i];
            Console.WriteLine(
                $"Convolutions alone, {(i == 0 ? "float32" : "bfloat16")}: {median * 1e3:F0} ms, {ceilings[i].Operations / 1e9:F0} GFLOP, " +
                $"{ceilings[i].Operations / median / 1e9:F0} GFLOP/s.");
        }
    }

    /// <summary>Runs three steps of a variant, and prints the most memory that the process had, in MB.</summary>
    public static void PrintPeakMemory(string variant)
    {
        var step = Variants().Single(candidate => candidate.Key == variant).Step;
        for (var i = 0; i < 3; i++) step();
        Console.WriteLine(Process.GetCurrentProcess().PeakWorkingSet64 / 1_000_000);
    }

    private static string MeasurePeakMemory(string variant)
    {
        using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["training-memory", variant]) { RedirectStandardOutput = true })!;
        return process.StandardOutput.ReadToEnd().Trim();
    }

    private static IEnumerable<(string Key, string Name, ScalarType Type, Action Step)> Variants() =>
    [
        ("literal", "literal port, float32", ScalarType.Float32, Literal()),
        ("float32", "this library, float32", ScalarType.Float32, Ours(ScalarType.Float32)),
        ("bfloat16", "this library, bfloat16", ScalarType.BFloat16, Ours(ScalarType.BFloat16)),
    ];

    private static Action Literal()
    {
        LiteralUNet? network = null;
        TorchSharp.Modules.Adam? optimizer = null;
        Tensor? alphaBars = null;
        return () =>
        {
            network ??= new LiteralUNet();
            optimizer ??= optim.Adam(network.parameters(), lr: 5e-4);
            alphaBars ??= cumprod(1 - linspace(1e-4, 0.02, Timesteps), 0);
            using var scope = NewDisposeScope();
            var (x0, labels) = Images();
            var t = randint(1, Timesteps + 1, [BatchSize], ScalarType.Int64);
            var alphaBar = alphaBars.index_select(0, t - 1).view(-1, 1, 1, 1);
            var eps = randn_like(x0);
            var xt = sqrt(alphaBar) * x0 + sqrt(1 - alphaBar) * eps;
            optimizer.zero_grad();
            var loss = nn.functional.mse_loss(eps, network.forward(xt, t, labels));
            loss.backward();
            optimizer.step();
            loss.item<float>();
        };
    }

    private static Action Ours(ScalarType type)
    {
        TrainingLoop? loop = null;
        return () =>
        {
            loop ??= new(ConditionalUNet.Create(Shape, CPU, seed: 1), NoiseSchedule.Linear(Timesteps), new()
            {
                Epochs = 1,
                BatchSize = BatchSize,
                LearningRate = new(5e-4, 0, false),
                Seed = 1,
                MovingAverageDecay = 0.999,
                Type = type,
            });
            using var scope = NewDisposeScope();
            var (x0, labels) = Images();
            loop.Step(x0, randint(1, Timesteps + 1, [BatchSize], ScalarType.Int64), randn_like(x0), labels, 5e-4).Loss.item<float>();
        };
    }

    private static (Tensor Images, Tensor Labels) Images() =>
        (rand(BatchSize, 1, 32, 32) * 2 - 1, randint(0, 10, [BatchSize], ScalarType.Int64));
}
