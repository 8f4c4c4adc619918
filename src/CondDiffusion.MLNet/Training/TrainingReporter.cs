using System.Diagnostics;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace CondDiffusion.MLNet;

/// <summary>Tells how a training stands: the context's log, TensorBoard, and the options' <c>Progress</c>.</summary>
internal sealed class TrainingReporter(ConditionalDiffusionTrainer.Options options, IChannel channel, SamplePictures? samples)
{
    /// <summary>A log is read by people, and kept: a line an epoch, and one now and then in a long epoch.</summary>
    private static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(30);

    private readonly TensorBoardLog? _tensorBoard = options.TensorBoardDirectory is { } directory ? new(directory) : null;
    private readonly Stopwatch _sinceLog = Stopwatch.StartNew();

    public void Report(TrainingProgress progress)
    {
        if (samples is not null && progress.EndsEpoch && progress.Epoch % options.SampleEpochs == 0) progress = progress with { Samples = Draw(samples) };
        if (progress.EndsEpoch || _sinceLog.Elapsed >= LogInterval)
        {
            channel.Info(
                MessageSensitivity.None,
                $"Epoch {progress.Epoch} of {progress.Epochs}, step {progress.Step} of {progress.Steps}: loss {progress.MeanLoss:F5}, " +
                (progress.ValidationLoss is { } validationLoss ? $"validation loss {validationLoss:F5}, " : "") +
                $"{progress.ImagesPerSecond:F0} images/s, {progress.TimeLeft:d\\.hh\\:mm\\:ss} left.");
            _sinceLog.Restart();
        }
        _tensorBoard?.Write(progress);
        options.Progress?.Report(progress);
    }

    /// <summary>Null where the training is cancelled meanwhile: it stops after the step, as always.</summary>
    private static IReadOnlyList<MLImage>? Draw(SamplePictures samples)
    {
        try
        {
            return samples.Draw();
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }
}
