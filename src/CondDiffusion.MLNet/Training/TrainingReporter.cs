using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Passes on a training's progress: to the context's log, TensorBoard, and the options' <c>Progress</c>. What fails
/// there is one warning and nothing more; only a cancellation is passed on.
/// </summary>
/// <param name="log">Receives lines for the log.</param>
/// <param name="warn">Receives warnings.</param>
/// <param name="tensorBoard">TensorBoard's event files; null for none.</param>
/// <param name="samples">Samples to generate at the end of epochs; null for none.</param>
/// <param name="progress">The options' receiver; null for none.</param>
/// <param name="clock">Measures the time between two lines of the log.</param>
internal sealed class TrainingReporter(
    Action<string> log,
    Action<string> warn,
    TensorBoardLog? tensorBoard,
    TrainingSamples? samples,
    IProgress<TrainingProgress>? progress,
    TimeProvider clock)
{
    /// <summary>People read a log and keep it: it gets a line an epoch, and one now and then in a long epoch.</summary>
    private static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(30);

    private readonly HashSet<string> _failed = [];
    private long _lastLog = clock.GetTimestamp();

    private bool IsShown => progress is not null || tensorBoard is not null;

    public void Report(TrainingProgress report)
    {
        if (samples is not null && IsShown && samples.IsDue(report))
            report = report with { Samples = Generate(samples) };
        if (report.EndsEpoch || clock.GetElapsedTime(_lastLog) >= LogInterval)
        {
            log(Describe(report));
            _lastLog = clock.GetTimestamp();
        }

        Try("writing TensorBoard's event files", () => tensorBoard?.Write(report));
        Try("the receiver of Progress", () => progress?.Report(report));
        if (progress is null && report.Samples is { } images)
        {
            foreach (var image in images) image.Dispose();
        }
    }

    private static string Describe(TrainingProgress report)
    {
        var validationLoss = report.ValidationLoss is { } loss ? $"validation loss {loss:F5}, " : "";
        return
            $"Epoch {report.Epoch} of {report.Epochs}, step {report.Step} of {report.Steps}: " +
            $"loss {report.MeanLoss:F5}, {validationLoss}{report.ImagesPerSecond:F0} images/s, " +
            $"{report.TimeLeft:d\\.hh\\:mm\\:ss} left.";
    }

    /// <summary>
    /// Generates the samples; null if that fails, or if the training is cancelled meanwhile, which then stops as
    /// always.
    /// </summary>
    private IReadOnlyList<MLImage>? Generate(TrainingSamples source)
    {
        IReadOnlyList<MLImage>? images = null;
        try
        {
            Try("generating the samples", () => images = source.Generate());
        }
        catch (OperationCanceledException)
        {
            return null;
        }

        return images;
    }

    private void Try(string what, Action action)
    {
        try
        {
            action();
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            if (!_failed.Add(what)) return;
            warn($"While training, {what} failed, and the training continues without: {exception.Message}");
        }
    }
}
