using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using static CondDiffusion.MLNet.Benchmarks.MeasuredNetworks;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Measures what the library adds to the evaluations of the network where a distilled model generates one image alone.
/// </summary>
internal static class LatencyBenchmark
{
    private const int Repeats = 20;

    public static void Run(int rounds)
    {
        Console.WriteLine(
            $"One image alone, of the residual network: medians of {rounds} interleaved rounds in ms, " +
            $"{get_num_threads()} threads, libtorch {__version__}.");
        MeasureAll(rounds);

        // libtorch keeps threads for each thread that has computed, as long as that lives.
        using var computed = new ManualResetEventSlim();
        using var end = new ManualResetEventSlim();
        var other = new Thread(() =>
        {
            using var model = Distilled(new MLContext(), steps: 1);
            model.Generate(["3"], [7])[0].Dispose();
            computed.Set();
            end.Wait();
        });
        other.Start();
        computed.Wait();
        Console.WriteLine();
        Console.WriteLine("The same, while another thread lives that has computed:");
        MeasureAll(rounds);
        end.Set();
        other.Join();
    }

    private static void MeasureAll(int rounds)
    {
        Console.WriteLine();
        Console.WriteLine("| steps | network alone | Generate | adds | PredictionEngine | adds |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- |");
        foreach (var steps in new[] { 1, 2, 4 }) Measure(steps, rounds);
    }

    private static void Measure(int steps, int rounds)
    {
        using var noGrad = no_grad();
        var ml = new MLContext();
        using var network = ConditionalUNet.Create(Residual, CPU, seed: 1);
        using var fused = InferenceUNet.Create(network, ScalarType.BFloat16);
        using var embeddings = fused.Prepare([0.5f], [3]);
        using var image = randn([1, .. network.ImageSize], ScalarType.Float32, CPU);
        using var model = Distilled(ml, steps);
        using var engine = ml.Model.CreatePredictionEngine<Request, Reply>(model);

        Func<double> Time(Action action) => () => 1e3 * Rounds.Time(Repeats, action);

        var times = Rounds.Measure(rounds, [
            Time(() =>
            {
                using var scope = NewDisposeScope();
                for (var i = 0; i < steps; i++) fused.Forward(image, embeddings, 0);
            }),
            Time(() => model.Generate(["3"], [7])[0].Dispose()),
            Time(() => engine.Predict(new() { Label = 4 }).GeneratedImage!.Dispose()),
        ]);
        var medians = times.Select(Rounds.Median).ToArray();
        Console.WriteLine(
            $"| {steps} | {medians[0]:F2} | {medians[1]:F2} | {Added(1):F2} | {medians[2]:F2} | {Added(2):F2} |");

        double Added(int variant) => Rounds.Median([.. times[variant].Zip(times[0], (all, alone) => all - alone)]);
    }

    private sealed class Request
    {
        [KeyType(10)]
        public uint Label { get; set; }
    }

    private sealed class Reply
    {
        [ImageType(28, 28)]
        public MLImage? GeneratedImage { get; set; }
    }
}
