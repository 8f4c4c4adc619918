using Microsoft.ML.Data;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>Writes a training's progress as TensorBoard's event files.</summary>
internal sealed class TensorBoardLog
{
    private readonly SummaryWriter _writer;
    private readonly string _directory;

    /// <exception cref="InvalidOperationException">The directory cannot be written to.</exception>
    public TensorBoardLog(string directory)
    {
        _directory = directory;
        _writer = Try(() => utils.tensorboard.SummaryWriter(directory));
    }

    /// <exception cref="InvalidOperationException">The directory cannot be written to.</exception>
    public void Write(TrainingProgress progress) => Try(() =>
    {
        Scalar("train/loss", progress.Loss);
        Scalar("train/smoothed_loss", progress.SmoothedLoss);
        Scalar("train/learning_rate", progress.LearningRate);
        Scalar("train/gradient_norm", progress.GradientNorm);
        Scalar("train/images_per_second", progress.ImagesPerSecond);
        if (progress.EndsEpoch) Scalar("epoch/loss", progress.MeanLoss);
        if (progress.ValidationLoss is { } validationLoss) Scalar("epoch/validation_loss", validationLoss);
        if (progress.Samples is { } samples) Image("samples", samples);
        return true;

        void Scalar(string tag, double value) => _writer.add_scalar(tag, (float)value, (int)progress.Step);

        void Image(string tag, IReadOnlyList<MLImage> images)
        {
            using var scope = NewDisposeScope();
            using var grid = ImageGrid.Compose(images, images.Count / TrainingSamples.ImagesPerLabel, padding: 1, scale: 1);
            var pixels = tensor(grid.Pixels.ToArray()).view(grid.Height, grid.Width, 4);          // H W BGRA
            _writer.add_img(tag, pixels.index_select(2, tensor([2L, 1L, 0L])), (int)progress.Step, dataformats: "HWC");
        }
    });

    private T Try<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"TensorBoardDirectory '{_directory}' cannot be written to: {exception.Message}", exception);
        }
    }
}
