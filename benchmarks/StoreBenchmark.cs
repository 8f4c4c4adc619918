using System.Diagnostics;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Measures the memory of a training on a million 32 x 32 images, each created when it is read, and the speed of the
/// image store alone.
/// </summary>
internal static class StoreBenchmark
{
    private const int Images = 1_000_000;
    private const int Labels = 10;
    private const int Side = 32;
    private const int BatchSize = 256;
    private const int Steps = 300;
    private const long Memory = 64_000_000;

    private static readonly Stopwatch Clock = Stopwatch.StartNew();

    /// <summary>Gets the options of the training: those of a network that is as small as can be.</summary>
    internal static ConditionalDiffusionTrainer.Options Options => new()
    {
        Architecture = NetworkArchitecture.Plain,
        Height = Side,
        Width = Side,
        ChannelWidths = [2, 2, 2],
        EmbeddingSize = 4,
        Epochs = 1,
        BatchSize = BatchSize,
        ImageMemory = Memory,
        ProgressInterval = TimeSpan.Zero,
    };

    public static void Run()
    {
        Train();
        Console.WriteLine();
        Console.WriteLine("| ImageMemory | on disk | added | read in random order | resident |");
        Console.WriteLine("| --- | --- | --- | --- | --- |");
        foreach (var memory in new[] { 0, Memory, long.MaxValue }) Measure(memory);
    }

    /// <summary>Takes the first steps, through the trainer itself.</summary>
    private static void Train()
    {
        TorchRuntime.EnsureLoaded();
        var ml = new MLContext(seed: 1);
        ml.Log += (_, log) =>
        {
            if (log.Message.Contains("of the images are in", StringComparison.Ordinal)) Console.WriteLine(log.Message);
        };
        Console.WriteLine($"Training on {Images} images of {Side} x {Side} with ImageMemory {Megabytes(Memory)}:");
        Print("start");

        using var source = new CancellationTokenSource();
        var trainer = ml.ImageGeneration.Trainers.ConditionalDiffusion(Options with
        {
            CancellationToken = source.Token,
            Progress = new Reporter(progress =>
            {
                if (progress.Step == 1 || progress.Step % 50 == 0) Print($"step {progress.Step} of {progress.Steps}");
                if (progress.Step == Steps) source.Cancel();
            }),
        });
        try
        {
            trainer.Fit(ml.Data.LoadFromEnumerable(Rows())).Dispose();
        }
        catch (OperationCanceledException)
        {
            Print("stopped");
        }

        using var process = Process.GetCurrentProcess();
        Console.WriteLine($"Peak: {Megabytes(process.PeakWorkingSet64)} resident.");
    }

    /// <summary>Returns the rows in one object, so that no two of them are in memory.</summary>
    private static IEnumerable<Row> Rows()
    {
        var row = new Row();
        for (var i = 0; i < Images; i++)
        {
            if (i % (Images / 4) == 0 && i > 0) Print($"{i} rows read");
            Fill(row.Pixels, i);
            row.Label = (uint)(i % Labels);
            yield return row;
        }
        Print($"{Images} rows read");
    }

    private static void Measure(long memory)
    {
        using var store = new ImageStore(Side * Side, memory, Path.GetTempPath());
        var image = new float[Side * Side];
        var adding = new Stopwatch();
        for (var i = 0; i < Images; i++)
        {
            Fill(image, i);
            adding.Start();
            store.Add(image, i % Labels);
            adding.Stop();
        }

        var order = Enumerable.Range(0, Images).ToArray();
        new Random(1).Shuffle(order);
        var reading = Stopwatch.StartNew();
        foreach (var i in order) store.Read(i, image);
        reading.Stop();

        var bound = memory == long.MaxValue ? "unbounded" : Megabytes(memory);
        Console.WriteLine(
            $"| {bound} | {Megabytes(store.OnDisk)} | {Images / adding.Elapsed.TotalSeconds:F0} images/s " +
            $"| {Images / reading.Elapsed.TotalSeconds:F0} images/s | {Megabytes(Environment.WorkingSet)} |");
    }

    /// <summary>Fills an image with 8-bit values, others for each number.</summary>
    private static void Fill(float[] image, int number)
    {
        for (var i = 0; i < image.Length; i++)
        {
            var level = (byte)(i * (number % 251 + 1) + number);
            image[i] = (level - PixelConversion.Offset) * PixelConversion.Scale;
        }
    }

    private static void Print(string what)
    {
        var resident = Megabytes(Environment.WorkingSet);
        Console.WriteLine($"{Clock.Elapsed.TotalSeconds,6:F1} s  {what,-24} {resident,9} resident");
    }

    private static string Megabytes(long bytes) => $"{bytes / 1e6:F0} MB";

    private sealed class Row
    {
        [KeyType(Labels)]
        public uint Label { get; set; }

        [VectorType(1, Side, Side)]
        public float[] Pixels { get; set; } = new float[Side * Side];
    }

    private sealed class Reporter(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
