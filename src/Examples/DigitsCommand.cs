using System.Diagnostics;
using CondDiffusion.MLNet;
using Microsoft.ML;

namespace CondDiffusion.Examples;

/// <summary>
/// The main job: draws digits, trains a small network on them, saves it, and has a second process generate ten of each.
/// </summary>
internal static class DigitsCommand
{
    private const string Folder = "out";

    /// <summary>The size of the job.</summary>
    /// <param name="Images">Number of training images.</param>
    /// <param name="Count">Number of images to generate of each label.</param>
    /// <param name="Options">Options of the training.</param>
    internal sealed record Setting(int Images, int Count, ConditionalDiffusionTrainer.Options Options);

    /// <summary>Gets the job that takes one to two minutes on two cores.</summary>
    public static Setting Full { get; } = new(8_000, 10, new()
    {
        ChannelWidths = [32, 64],
        Epochs = 7,
        BatchSize = 32,
        LearningRate = 3e-3,
        WarmUpSteps = 100,
        LearningRateDecay = LearningRateDecay.Cosine,

        // A minute of training leaves flaws that strong guidance keeps out. Its images are to look at.
        Sampling = new() { Steps = 12, GuidanceScale = 3, GuidanceSigmaLow = 0.3, GuidanceSigmaHigh = 10 },
    });

    /// <summary>Gets the job that takes seconds; its images show next to nothing.</summary>
    public static Setting Tiny { get; } = new(200, 1, new()
    {
        ChannelWidths = [32, 32],
        Epochs = 1,
        Timesteps = 100,
    });

    public static void Run(Setting setting)
    {
        var clock = Stopwatch.StartNew();
        var file = Path.Combine(Folder, "digits.zip");
        var ml = new MLContext(seed: 1);

        Console.WriteLine($"Training on {setting.Images} drawn digits.");
        TrainCommand.Train(ml, DrawnDigits.Load(ml, setting.Images, seed: 1), file, setting.Options);
        var seconds = clock.Elapsed.TotalSeconds;
        Console.WriteLine($"Trained in {seconds:F0} s. A second process loads the model and generates.");

        using var process = Process.Start(Command(
            Environment.ProcessPath!,
            Path.Combine(AppContext.BaseDirectory, $"{typeof(DigitsCommand).Assembly.GetName().Name}.dll"),
            ["generate", "--model", file, "--count", $"{setting.Count}", "--out", Folder]))!;
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"The second process ended with exit code {process.ExitCode}.");
        Console.WriteLine($"Done in {clock.Elapsed.TotalSeconds:F0} s.");
    }

    /// <summary>Returns how to start this program once more.</summary>
    /// <param name="program">
    /// Path of the program of this process: our own, or dotnet, which was given our assembly.
    /// </param>
    /// <param name="assembly">Path of our assembly.</param>
    /// <param name="arguments">Arguments of the new process.</param>
    internal static ProcessStartInfo Command(string program, string assembly, IEnumerable<string> arguments)
    {
        var isHost = Path.GetFileNameWithoutExtension(program).Equals("dotnet", StringComparison.OrdinalIgnoreCase);
        return new(program, isHost ? [assembly, .. arguments] : arguments);
    }
}
