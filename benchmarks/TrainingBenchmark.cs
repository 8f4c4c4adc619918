using System.Diagnostics;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using static CondDiffusion.MLNet.Benchmarks.MeasuredNetworks;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Measures a training step: that of the published method's network by the PyTorch-style baseline and by this library,
/// that of the residual network, and the convolutions alone.
/// </summary>
internal static class TrainingBenchmark
{
    private const int BatchSize = 128;
    private const int Timesteps = 1000;
    private const double LearningRate = 5e-4;

    /// <summary>
    /// Measures every variant once a round, in turn, so that a machine whose speed drifts is fair to all of them;
    /// prints medians.
    /// </summary>
    public static void Run(int rounds)
    {
        var variants = Variants().ToArray();
        var ceilings = variants
            .Select(variant => new ConvolutionCeiling(variant.Shape, BatchSize, variant.Type, training: true))
            .ToArray();
        var times = Rounds.Measure(rounds, [
            .. variants.Select(variant => (Func<double>)(() => Rounds.Time(1, variant.Step))),
            .. ceilings.Select(ceiling => (Func<double>)(() => ceiling.Measure())),
        ]);
        var medians = times.Select(Rounds.Median).ToArray();

        Console.WriteLine(
            $"A training step of {BatchSize} images: medians of {rounds} interleaved rounds, " +
            $"{get_num_threads()} threads, libtorch {__version__}.");
        Console.WriteLine();
        Console.WriteLine(
            "| | step | images/s | against baseline | GFLOP/s of its convolutions alone | of their peak " +
            "| peak memory |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- |");
        for (var i = 0; i < variants.Length; i++)
        {
            var variant = variants[i];
            var ceiling = medians[variants.Length + i];
            var speedup = Rounds.Median([.. times[0].Zip(times[i], (a, b) => a / b)]);
            Console.WriteLine(
                $"| {variant.Name} | {medians[i] * 1e3:F0} ms | {BatchSize / medians[i]:F0} | {speedup:F2}x " +
                $"| {ceilings[i].Operations / ceiling / 1e9:F0} | {ceiling / medians[i]:P0} " +
                $"| {MeasurePeakMemory(variant.Key)} MB |");
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
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["training-memory", variant])
        {
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        return process.StandardOutput.ReadToEnd().Trim();
    }

    private static IEnumerable<(string Key, string Name, UNetShape Shape, ScalarType Type, Action Step)> Variants() =>
    [
        ("literal", "PyTorch-style baseline, float32", Plain, ScalarType.Float32, Baseline()),
        ("float32", "this library, float32", Plain, ScalarType.Float32, Ours(Plain, ScalarType.Float32)),
        ("bfloat16", "this library, bfloat16", Plain, ScalarType.BFloat16, Ours(Plain, ScalarType.BFloat16)),
        ("residual-float32", "residual network, 28 x 28, float32",
            Residual, ScalarType.Float32, Ours(Residual, ScalarType.Float32)),
        ("residual", "residual network, 28 x 28, bfloat16",
            Residual, ScalarType.BFloat16, Ours(Residual, ScalarType.BFloat16)),
    ];

    private static Action Baseline()
    {
        LiteralUNet? network = null;
        TorchSharp.Modules.Adam? optimizer = null;
        Tensor? alphaBars = null;
        return () =>
        {
            network ??= new LiteralUNet();
            optimizer ??= optim.Adam(network.parameters(), lr: LearningRate);
            alphaBars ??= cumprod(1 - linspace(1e-4, 0.02, Timesteps), 0);

            using var scope = NewDisposeScope();
            var (x0, labels) = Images(Plain);
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

    private static Action Ours(UNetShape shape, ScalarType type)
    {
        DiffusionLoss? loss = null;
        TrainingLoop? loop = null;
        return () =>
        {
            loop ??= Create();

            using var scope = NewDisposeScope();
            var (x0, labels) = Images(shape);
            var t = randint(1, Timesteps + 1, [BatchSize], ScalarType.Int64);
            var eps = randn_like(x0);
            loop.Update(() => loss!.Compute(x0, t, eps, labels, training: true), LearningRate).Loss.item<float>();
        };

        TrainingLoop Create()
        {
            var settings = new DiffusionSettings
            {
                Epochs = 1,
                BatchSize = BatchSize,
                LearningRate = new(LearningRate, 0, LearningRateDecay.None),
                Seed = 1,
                MovingAverageLengths = [0.09],
                Type = type,
            };
            var network = ConditionalUNet.Create(shape, CPU, seed: 1);
            loss = settings.CreateLoss(network, NoiseSchedule.Linear(Timesteps));
            return new(network, loss, settings);
        }
    }

    private static (Tensor Images, Tensor Labels) Images(UNetShape shape) =>
        (rand(BatchSize, 1, shape.Height, shape.Width) * 2 - 1, randint(0, 10, [BatchSize], ScalarType.Int64));
}
