namespace CondDiffusion.MLNet;

/// <summary>
/// What <see cref="ConditionalDiffusionTrainer.Fit"/> does when
/// <see cref="ImageTrainerOptions.CancellationToken"/> is cancelled.
/// </summary>
public enum CancellationBehavior
{
    /// <summary>
    /// It throws <see cref="OperationCanceledException"/>, after writing a last checkpoint where there is a checkpoint
    /// directory.
    /// </summary>
    Throw,

    /// <summary>
    /// It returns the model as trained so far. If the token is cancelled before the first step, it throws
    /// <see cref="OperationCanceledException"/>.
    /// </summary>
    ReturnModel,
}
