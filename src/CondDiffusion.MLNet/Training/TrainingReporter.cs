using System.Diagnostics;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Training;

/// <summary>Tells how a training stands: the context's log, TensorBoard, and the options' <c>Progress</c>.</summary>
internal sealed class TrainingReporter(
    Action<string> log, TensorBoardLog? tensorBoard, TrainingSamples? samples, IProgress<TrainingProgress>? progress)
{
    /// <summary>A log is read by people, and kept: a line an epoch, and one now and then in a long epoch.</summary>
    private static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(30);

    private readonly Stopwatch _sinceLog = Stopwatch.StartNew();

    public void Report(TrainingProgress report)
    {
        if (samples is not null && samples.IsDue(report)) report = report with { Samples = Draw(samples) };
        if (report.EndsEpoch || _sinceLog.Elapsed >= LogInterval)
        {
            log(
                $"Epoch {report.Epoch} of {report.Epochs}, step {report.Step} of {report.Steps}: loss {report.MeanLoss:F5}, " +
                (report.ValidationLoss is { } validationLoss ? $"validation loss {validationLoss:F5}, " : "") +
                $"{report.ImagesPerSecond:F0} images/s, {report.TimeLeft:d\\.hh\\:mm\\:ss} left.");
            _sinceLog.Restart();
        }
        tensorBoard?.Write(report);
        progress?.Report(report);
    }

    /// <summary>Null where the training is cancelled meanwhile: it stops after the step, as always.</summary>
    private static IReadOnlyList<MLImage>? Draw(TrainingSamples samples)
    {
        try
        {
            return samples.Generate();
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }
}
