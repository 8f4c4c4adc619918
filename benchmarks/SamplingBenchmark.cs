using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>Time of drawing with the method's network: the literal port, ours, and the convolutions alone.</summary>
internal static class SamplingBenchmark
{
    private const int Timestep = 500;

    private static readonly UNetShape Shape = new(1, 32, 32, Labels: 10, EmbeddingSize: 100, [64, 128, 256]);
    private static readonly ScalarType[] Types = [ScalarType.Float32, ScalarType.BFloat16];

    public static void Run(int rounds)
    {
        using var noGrad = no_grad();
        PrintEvaluations(rounds, [1, 4, 10, 16, 32, 64]);
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

    private static string Milliseconds(double[] seconds) => $"{Rounds.Median(seconds) * 1e3:F1}";

    /// <summary>The median of the rounds' ratios.</summary>
    private static double Ratio(double[] these, double[] those) => Rounds.Median([.. these.Zip(those, (a, b) => a / b)]);
}
