namespace CondDiffusion.MLNet.Training;

/// <summary>Writes one training's checkpoints when they are due. A checkpoint that cannot be written is a warning, and due again.</summary>
/// <param name="store">The directory.</param>
/// <param name="identity">Everything that decides the training's result, by option name.</param>
/// <param name="interval">Longest time between two checkpoints.</param>
/// <param name="steps">Most steps between two checkpoints; 0 for any number.</param>
/// <param name="clock">Measures the interval.</param>
/// <param name="warn">Receives warnings.</param>
internal sealed class CheckpointWriter(
    CheckpointStore store,
    IReadOnlyDictionary<string, string> identity,
    TimeSpan interval,
    int steps,
    TimeProvider clock,
    Action<string> warn)
{
    private long _lastTry = clock.GetTimestamp();
    private bool _warned;

    /// <summary>The step of the newest checkpoint that was read or written.</summary>
    public long LastStep { get; private set; }

    /// <summary>The newest checkpoint that was read or written; null if there is none.</summary>
    public string? Last { get; private set; }

    /// <summary>Receives warnings.</summary>
    public Action<string> Warn => warn;

    /// <summary>Brings a state to where it was when a checkpoint was written.</summary>
    /// <exception cref="InvalidOperationException">The checkpoint belongs to another training, or cannot be read.</exception>
    public void Resume(Checkpoint checkpoint, TrainingState state)
    {
        checkpoint.CheckSame(identity);
        CheckpointStore.Read(checkpoint, state);
        Last = checkpoint.Path;
        LastStep = checkpoint.Step;
    }

    /// <summary>Whether it is time for a checkpoint after a step.</summary>
    public bool IsDue(long step) =>
        step != LastStep && (clock.GetElapsedTime(_lastTry) >= interval || steps > 0 && step - LastStep >= steps);

    /// <summary>Writes a checkpoint; if that fails, the first time is a warning, and the next step that is due tries again.</summary>
    public void TrySave(TrainingState state)
    {
        _lastTry = clock.GetTimestamp();
        try
        {
            Last = store.Save(state, identity);
            LastStep = state.Step;
        }
        catch (InvalidOperationException exception)
        {
            if (!_warned) warn($"{exception.Message} The training continues, and tries again later.");
            _warned = true;
        }
    }
}
