using CondDiffusion.MLNet;

namespace CondDiffusion.Examples;

/// <summary>A progress bar for each epoch; where the output is a file, a line for each epoch.</summary>
/// <param name="output">Console.Out or Console.Error.</param>
internal sealed class ProgressBar(TextWriter output) : IProgress<TrainingProgress>
{
    private const int Width = 30;

    private readonly bool _isFile =
        output == Console.Error ? Console.IsErrorRedirected : Console.IsOutputRedirected;

    public void Report(TrainingProgress value)
    {
        foreach (var sample in value.Samples ?? []) sample.Dispose();

        var step = (value.Step - 1) % value.StepsPerEpoch + 1;
        if (_isFile && !value.EndsEpoch) return;

        var filled = (int)(Width * step / value.StepsPerEpoch);
        var timeLeft = $"{(long)value.TimeLeft.TotalHours}:{value.TimeLeft:mm\\:ss}";
        var line = $"epoch {value.Epoch,3}/{value.Epochs} " +
            $"[{new string('#', filled)}{new string('.', Width - filled)}] " +
            $"loss {value.MeanLoss:F4}  {value.ImagesPerSecond,5:F0} images/s  {timeLeft} left";
        if (_isFile) output.WriteLine(line);
        else output.Write($"\r{line}{(value.EndsEpoch ? Environment.NewLine : "")}");
    }
}
