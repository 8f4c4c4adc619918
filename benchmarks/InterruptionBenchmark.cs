using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Kills a training at random moments, resumes it each time, and compares its weights with those of a training that is
/// never stopped.
/// </summary>
internal static class InterruptionBenchmark
{
    private const int Side = 16;
    private const int Images = 512;
    private const int Labels = 4;

    /// <summary>Gets the options of the training, but for its directory of checkpoints.</summary>
    internal static ConditionalDiffusionTrainer.Options Options => new()
    {
        Height = Side,
        Width = Side,
        ChannelWidths = [32],
        Epochs = 120,
        ValidationFraction = 0.1,
        CheckpointSteps = 10,
    };

    public static void Run(int kills)
    {
        var clock = Stopwatch.StartNew();
        var expected = Complete(null);
        var whole = clock.Elapsed;
        Console.WriteLine($"Never stopped: {whole.TotalSeconds:F1} s, weights {expected}.");

        var directory = Directory.CreateTempSubdirectory("conddiffusion-").FullName;
        try
        {
            for (var kill = 1; kill <= kills; kill++)
            {
                // Loading takes about a second; the kills are spread so that most of them hit the training.
                var delay = 1 + Random.Shared.NextDouble() * (1 + whole.TotalSeconds / kills);
                Kill(directory, TimeSpan.FromSeconds(delay));
            }

            var actual = Complete(directory);
            var verdict = actual == expected ? "the same" : "DIFFERENT";
            Console.WriteLine($"After {kills} kills: weights {actual}: {verdict}.");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>Trains, in the process that is killed, and prints a hash of the weights.</summary>
    public static void Train(string? checkpoints)
    {
        var ml = new MLContext(seed: 1);
        var random = new Random(1);
        var images = Enumerable.Range(0, Images).Select(i => new Image
        {
            Label = (uint)(i % Labels),
            Pixels = [.. Enumerable.Range(0, Side * Side).Select(_ => random.NextSingle() * 2 - 1)],
        }).ToArray();

        var trainer = ml.ImageGeneration.Trainers.ConditionalDiffusion(
            Options with { CheckpointDirectory = checkpoints });
        using var model = trainer.Fit(ml.Data.LoadFromEnumerable(images));
        model.Generator.UseNetwork(network =>
        {
            var hash = SHA256.HashData([.. network.Parameters.bytes, .. network.Buffers.bytes]);
            Console.WriteLine(Convert.ToHexStringLower(hash)[..16]);
        });
    }

    /// <summary>Trains to the end in another process, and returns the hash of the weights.</summary>
    private static string Complete(string? checkpoints)
    {
        using var process = Start(checkpoints);
        var weights = process.StandardOutput.ReadToEnd().Trim();
        process.WaitForExit();
        return process.ExitCode == 0
            ? weights
            : throw new InvalidOperationException($"The training ended with the exit code {process.ExitCode}.");
    }

    private static void Kill(string directory, TimeSpan delay)
    {
        using var process = Start(directory);
        var hasEnded = process.WaitForExit(delay);
        if (!hasEnded) process.Kill(); // SIGKILL
        process.WaitForExit();

        var files = Directory.GetFiles(directory).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal);
        var what = hasEnded ? "Had ended within" : "Killed after";
        Console.WriteLine($"{what} {delay.TotalSeconds:F1} s; left: {string.Join(", ", files)}.");
    }

    private static Process Start(string? checkpoints)
    {
        string[] arguments = checkpoints is null ? ["interruption-training"] : ["interruption-training", checkpoints];
        var start = new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardOutput = true };
        return Process.Start(start)!;
    }

    private sealed class Image
    {
        [KeyType(Labels)]
        public uint Label { get; set; }

        [VectorType(1, Side, Side)]
        public float[]? Pixels { get; set; }
    }
}
