using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>What a training minimizes.</summary>
internal interface ITrainingLoss : IDisposable
{
    /// <summary>Computes the mean loss of a batch, in the caller's dispose scope.</summary>
    /// <param name="batch">The images and labels.</param>
    /// <param name="random">
    /// The source of every random number: it is on the CPU, at the beginning of the stream of this step or of this
    /// batch of validation images.
    /// </param>
    /// <param name="training">
    /// Whether to normalize by the batch's statistics, update the running ones and regularize, rather than to validate.
    /// </param>
    Tensor Compute(Batch batch, Generator random, bool training);
}
