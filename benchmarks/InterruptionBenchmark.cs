using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>Kills a training at random moments, runs it again each time, and compares its weights with those of one never stopped.</summary>
internal static class InterruptionBenchmark
{
    private const int Side = 16, Images = 1024, Labels = 4, Epochs = 120;

    public static void Run(int kills)
    {
        var clock = Stopwatch.StartNew();
        var expected = Start(null).StandardOutput.ReadToEnd().Trim();
        var whole = clock.Elapsed;
        Console.WriteLine($"Never stopped: {whole.TotalSeconds:F1} s, weights {expected}.");

        var directory = Directory.CreateTempSubdirectory("conddiffusion-").FullName;
        try
        {
            for (var kill = 1; kill <= kills; kill++)
            {
                // Loading takes about a second; the kills are spread so that most of them find it training.
                var delay = TimeSpan.FromSeconds(1 + Random.Shared.NextDouble() * (1 + whole.TotalSeconds / kills));
                using var process = Start(directory);
                var ended = process.WaitForExit(delay);
                if (!ended) process.Kill(); // SIGKILL
                process.WaitForExit();
                var files = Directory.GetFiles(directory).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal);
                Console.WriteLine($"{(ended ? "Had ended within" : "Killed after")} {delay.TotalSeconds:F1} s; left: {string.Join(", ", files)}.");
            }
            var actual = Start(directory).StandardOutput.ReadToEnd().Trim();
            Console.WriteLine($"After {kills} kills: weights {actual}: {(actual == expected ? "the same" : "DIFFERENT")}.");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>The training, in the process that is killed: prints a hash of its weights.</summary>
    public static void Train(string? checkpoints)
    {
        var ml = new MLContext(seed: 1);
        var random = new Random(1);
        var images = Enumerable.Range(0, Images).Select(i => new Image
        {
            Label = (uint)(i % Labels),
            Pixels = [.. Enumerable.Range(0, Side * Side).Select(_ => random.NextSingle() * 2 - 1)],
        }).ToArray();
        using var model = ml.ImageGeneration.Trainers.ConditionalDiffusion(new()
        {
            Height = Side,
            Width = Side,
            ChannelWidths = [8, 16, 16],
            Epochs = Epochs,
            ValidationFraction = 0.1,
            CheckpointDirectory = checkpoints,
            CheckpointSteps = 10,
        }).Fit(ml.Data.LoadFromEnumerable(images));
        model.Generator.UseNetwork(network => Console.WriteLine(
            Convert.ToHexStringLower(SHA256.HashData([.. network.Parameters.bytes, .. network.Buffers.bytes]))[..16]));
    }

    private static Process Start(string? checkpoints) => Process.Start(new ProcessStartInfo(
        Environment.ProcessPath!, checkpoints is null ? ["interruption-training"] : ["interruption-training", checkpoints])
    { RedirectStandardOutput = true })!;

    private sealed class Image
    {
        [KeyType(Labels)]
        public uint Label { get; set; }

        [VectorType(1, Side, Side)]
        public float[]? Pixels { get; set; }
    }
}
