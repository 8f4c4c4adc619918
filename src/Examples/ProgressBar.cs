using CondDiffusion.MLNet;

namespace CondDiffusion.Examples;

/// <summary>Shows a progress bar for each epoch or, where the output is redirected, prints a line at its end.</summary>
internal sealed class ProgressBar : IProgress<TrainingProgress>
{
    private const int Width = 30;

    public void Report(TrainingProgress value)
    {
        var stepsPerEpoch = value.Steps / value.Epochs;
        var step = (value.Step - 1) % stepsPerEpoch + 1;
        if (Console.IsOutputRedirected && !value.EndsEpoch) return;

        var filled = (int)(Width * step / stepsPerEpoch);
        var bar = new string('#', filled) + new string('.', Width - filled);
        var line = $"epoch {value.Epoch,3}/{value.Epochs} [{bar}] loss {value.MeanLoss:F4}  " +
            $"{value.ImagesPerSecond,5:F0} images/s  {value.TimeLeft:h\\:mm\\:ss} left";
        if (Console.IsOutputRedirected) Console.WriteLine(line);
        else Console.Write($"\r{line}{(value.EndsEpoch ? Environment.NewLine : "")}");
    }
}
