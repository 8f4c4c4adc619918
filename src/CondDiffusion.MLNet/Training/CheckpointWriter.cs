using System.Globalization;

namespace CondDiffusion.MLNet.Training;

/// <summary>Writes one training's checkpoints when they are due. What prevents that is a warning.</summary>
/// <param name="store">The directory.</param>
/// <param name="identity">Everything that decides the training's result but its length, by option name.</param>
/// <param name="epochs">The length of the training.</param>
/// <param name="lastShared">The last step that a longer training would have too.</param>
/// <param name="interval">Longest time between two checkpoints.</param>
/// <param name="steps">Most steps between two checkpoints; 0 for any number.</param>
/// <param name="clock">Measures the interval.</param>
/// <param name="warn">Receives warnings.</param>
internal sealed class CheckpointWriter(
    CheckpointStore store,
    IReadOnlyDictionary<string, string> identity,
    int epochs,
    long lastShared,
    TimeSpan interval,
    int steps,
    TimeProvider clock,
    Action<string> warn)
{
    private long _lastTry = clock.GetTimestamp();
    private long _lastTriedStep;
    private bool _warned;

    /// <summary>The step of the newest checkpoint that was read or written.</summary>
    public long LastStep { get; private set; }

    /// <summary>The newest checkpoint that was read or written; null if there is none.</summary>
    public string? Last { get; private set; }

    /// <summary>Receives warnings.</summary>
    public Action<string> Warn => warn;

    /// <summary>
    /// Brings a state to where it was when a checkpoint was written: the newest of those whose steps are also those of
    /// a training of this length.
    /// </summary>
    /// <param name="checkpoints">At least one checkpoint, the newest first.</param>
    /// <param name="state">The state.</param>
    /// <exception cref="InvalidOperationException">
    /// The checkpoint belongs to another training, or cannot be read.
    /// </exception>
    public void Resume(IReadOnlyList<Checkpoint> checkpoints, TrainingState state)
    {
        var fitting = checkpoints
            .Where(candidate => candidate.Epochs == IdentityAt(candidate.Step).GetValueOrDefault(Checkpoint.Length))
            .ToArray();
        var checkpoint = fitting.Concat(checkpoints).First();
        checkpoint.CheckSame(identity);
        if (fitting.Length == 0 && checkpoint.Epochs is null)
        {
            throw new InvalidOperationException(
                $"The checkpoint '{checkpoint.Path}' is of step {checkpoint.Step}, but with {epochs} epochs the " +
                $"learning rate falls from step {lastShared + 1} on, and no checkpoint is from before that.");
        }

        checkpoint.CheckSame(IdentityAt(checkpoint.Step));
        if (fitting.Length == 0)
        {
            throw new InvalidOperationException(
                $"The checkpoint '{checkpoint.Path}' is of step {checkpoint.Step} of a training of " +
                $"{checkpoint.Epochs} epochs, in which the learning rate had begun to fall. With {epochs} epochs it " +
                "would not have, and no checkpoint is from before that.");
        }

        CheckpointStore.Read(checkpoint, state);
        foreach (var own in fitting.Where(older => older.IsSame(IdentityAt(older.Step)))) store.Adopt(own);
        Last = checkpoint.Path;
        LastStep = checkpoint.Step;
        _lastTriedStep = checkpoint.Step;
    }

    /// <summary>Returns whether it is time for a checkpoint after a step.</summary>
    public bool IsDue(long step) =>
        step != LastStep &&
        (step == lastShared || clock.GetElapsedTime(_lastTry) >= interval ||
            steps > 0 && step - _lastTriedStep >= steps);

    /// <summary>
    /// Writes a checkpoint. If that fails, it is a warning: the first time, and always for the last checkpoint.
    /// </summary>
    /// <param name="state">The state to write.</param>
    /// <param name="isLast">
    /// Whether the training ends here; otherwise the next checkpoint that is due tries again.
    /// </param>
    public void TrySave(TrainingState state, bool isLast)
    {
        _lastTry = clock.GetTimestamp();
        _lastTriedStep = state.Step;
        try
        {
            Last = store.Save(state, IdentityAt(state.Step), lastShared);
            LastStep = state.Step;
            _warned = false;
        }
        catch (Exception exception)
        {
            if (!_warned || isLast)
            {
                warn(isLast
                    ? $"The last checkpoint, of step {state.Step}, could not be written: {exception.Message}"
                    : $"The checkpoint of step {state.Step} could not be written, and the training continues: " +
                      exception.Message);
            }

            _warned = true;
        }
    }

    /// <summary>Returns everything that decides the weights after a step, by option name.</summary>
    private Dictionary<string, string> IdentityAt(long step)
    {
        var all = new Dictionary<string, string>(identity);
        if (step > lastShared) all[Checkpoint.Length] = epochs.ToString(CultureInfo.InvariantCulture);
        return all;
    }
}
