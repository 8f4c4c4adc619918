using CondDiffusion.MLNet.Files;
using CondDiffusion.MLNet.Imaging;
using Microsoft.ML.Data;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>Writes a training's progress as event files of TensorBoard.</summary>
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

    /// <summary>Writes a report.</summary>
    /// <exception cref="InvalidOperationException">The directory cannot be written to.</exception>
    public void Write(TrainingProgress progress) => Try(() =>
    {
        WriteScalar("train/loss", progress.Loss);
        WriteScalar("train/smoothed_loss", progress.SmoothedLoss);
        WriteScalar("train/learning_rate", progress.LearningRate);
        WriteScalar("train/gradient_norm", progress.GradientNorm);
        WriteScalar("train/images_per_second", progress.ImagesPerSecond);

        if (progress.EndsEpoch) WriteScalar("epoch/loss", progress.MeanLoss);
        if (progress.ValidationLoss is { } validationLoss) WriteScalar("epoch/validation_loss", validationLoss);
        if (progress.Samples is { } samples) WriteGrid("samples", samples);
        return true;

        void WriteScalar(string tag, double value) => _writer.add_scalar(tag, (float)value, (int)progress.Step);

        void WriteGrid(string tag, IReadOnlyList<MLImage> images)
        {
            using var scope = NewDisposeScope();
            var columns = images.Count / TrainingSamples.ImagesPerLabel;
            using var grid = ImageGrid.Compose(images, columns, padding: 1, scale: 1);
            var bgr = tensor(PixelConversion.ToBgr(grid), ScalarType.Byte, CPU);
            var rgb = bgr.view(grid.Height, grid.Width, 3).flip(2);                                  // H W 3
            _writer.add_img(tag, rgb, (int)progress.Step, dataformats: "HWC");
        }
    });

    private T Try<T>(Func<T> action) =>
        FileErrors.Explain($"TensorBoardDirectory '{_directory}' cannot be written to", action);
}
