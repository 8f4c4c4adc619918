using CondDiffusion.MLNet;

namespace CondDiffusion.Examples;

/// <summary>A progress bar for each epoch; where the output is a file, a line for each epoch.</summary>
internal sealed class ProgressBar : IProgress<TrainingProgress>
{
    private const int Width = 30;

    public void Report(TrainingProgress value)
    {
        var step = (value.Step - 1) % value.StepsPerEpoch + 1;
        if (Console.IsOutputRedirected && !value.EndsEpoch) return;

        var filled = (int)(Width * step / value.StepsPerEpoch);
        var line = $"epoch {value.Epoch,3}/{value.Epochs} " +
            $"[{new string('#', filled)}{new string('.', Width - filled)}] " +
            $"loss {value.MeanLoss:F4}  {value.ImagesPerSecond,5:F0} images/s  {value.TimeLeft:h\\:mm\\:ss} left";
        if (Console.IsOutputRedirected) Console.WriteLine(line);
        else Console.Write($"\r{line}{(value.EndsEpoch ? Environment.NewLine : "")}");
    }
}
