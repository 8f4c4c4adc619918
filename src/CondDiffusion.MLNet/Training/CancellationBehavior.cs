namespace CondDiffusion.MLNet;

/// <summary>What becomes of a training whose token is cancelled.</summary>
public enum CancellationBehavior
{
    /// <summary>It throws <see cref="OperationCanceledException"/>; where there are checkpoints, the last one is of that moment.</summary>
    Throw,

    /// <summary>It returns the model as trained so far. Cancelled before its first step, it throws.</summary>
    ReturnModel,
}
