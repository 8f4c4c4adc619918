using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// A step that a training has just done. Its tensors are on the device, and reading one waits for the device.
/// </summary>
/// <param name="Number">The step, from 1.</param>
/// <param name="Epoch">The epoch that it belongs to, from 1.</param>
/// <param name="EndsEpoch">Whether it is the last of its epoch.</param>
/// <param name="Images">Images in its batch.</param>
/// <param name="LearningRate">The learning rate that it took.</param>
/// <param name="Loss">The loss before it.</param>
/// <param name="GradientNorm">The norm of the gradient, before clipping.</param>
internal sealed record TrainingStep(
    long Number, long Epoch, bool EndsEpoch, int Images, double LearningRate, Tensor Loss, Tensor GradientNorm)
    : IDisposable
{
    public void Dispose()
    {
        Loss.Dispose();
        GradientNorm.Dispose();
    }
}
