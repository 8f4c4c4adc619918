using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Runs a training to its end, and does what goes on beside its steps: reports, validation, checkpoints, and stopping.
/// </summary>
/// <remarks>
/// A checkpoint that cannot be written does not end the training, which is worth more. Whatever does end it leaves a
/// checkpoint, unless the weights are no longer worth one.
/// </remarks>
internal sealed class TrainingRun
{
    private readonly TrainingLoop _loop;
    private readonly ImageStore _images;
    private readonly TrainingSettings _settings;
    private readonly EpochPlan _plan;
    private bool _diverged;

    /// <param name="loop">The training; its state says where it begins.</param>
    /// <param name="images">At least one image.</param>
    /// <param name="settings">The settings of the loop.</param>
    /// <param name="plan">The order of the images.</param>
    public TrainingRun(TrainingLoop loop, ImageStore images, TrainingSettings settings, EpochPlan plan)
    {
        _loop = loop;
        _images = images;
        _settings = settings;
        _plan = plan;
    }

    /// <summary>
    /// Receives a report at the settings' interval and at the end of each epoch. It throws only to end the training.
    /// </summary>
    public Action<TrainingProgress> Report { get; init; } = _ => { };

    /// <summary>
    /// Returns whether to stop. It is asked before the first step, after each step, and within the validation.
    /// </summary>
    public Func<bool> Stops { get; init; } = () => false;

    /// <summary>The most losses that stay on the device unread.</summary>
    public int UnreadLosses { get; init; } = 1024;

    /// <summary>Saves the state now and then and at the end; null for no checkpoints.</summary>
    public CheckpointWriter? Checkpoints { get; init; }

    private TrainingState State => _loop.State;

    /// <summary>Trains until the last epoch's end, or until it is stopped.</summary>
    /// <exception cref="InvalidOperationException">
    /// The loss or the weights are not finite, or the memory is too small.
    /// </exception>
    public void Run()
    {
        if (State.Step > _plan.Steps)
        {
            throw new InvalidOperationException(
                $"Epochs is {_settings.Epochs}, which is {_plan.Steps} steps, but the checkpoint has done " +
                $"{State.Step}.");
        }

        if (Stops()) return;
        if (State.Step == _plan.Steps) ChooseAverage();

        using var meter = new ProgressMeter(_settings.ReportInterval, UnreadLosses, State, _settings.Clock);
        try
        {
            foreach (var step in _loop.Steps(_images, _plan))
            {
                meter.Add(step);
                if (step.EndsEpoch || meter.IsDue)
                {
                    Report(Describe(step, meter));
                    meter.StartInterval();
                }
                else if (meter.IsFull)
                {
                    ReadLosses(meter, step.LearningRate);
                }

                var isLast = Stops() || State.Step == _plan.Steps;
                if (isLast || Checkpoints?.IsDue(State.Step) == true)
                {
                    ReadLosses(meter, step.LearningRate);
                    Checkpoints?.TrySave(State, isLast);
                }

                if (isLast) break;
            }

            if (State.Step == _plan.Steps) ChooseAverage();
        }
        catch
        {
            // Not in an exception filter, which would run before the finally that gives the network its own weights
            // back.
            if (!_diverged && State.IsConsistent) SaveAfterError(meter);
            throw;
        }
    }

    /// <summary>
    /// Finds the best average of a finished training, where the last validation was stopped or is missing.
    /// </summary>
    private void ChooseAverage()
    {
        if (State.Averages.Count > 1 && State.BestStep != State.Step) _loop.Validate(_images, _plan, Stops);
    }

    /// <summary>
    /// Saves a last checkpoint before an error is passed on, which nothing that happens here may hide.
    /// </summary>
    private void SaveAfterError(ProgressMeter meter)
    {
        if (Checkpoints is null || State.Step == Checkpoints.LastStep) return;
        try
        {
            ReadLosses(meter, double.NaN);
            Checkpoints.TrySave(State, isLast: true);
        }
        catch (Exception exception)
        {
            Checkpoints.Warn($"The last checkpoint, of step {State.Step}, could not be written: {exception.Message}");
        }
    }

    private TrainingProgress Describe(TrainingStep step, ProgressMeter meter)
    {
        var losses = ReadLosses(meter, step.LearningRate);
        var validates = step.EndsEpoch && _plan.HeldOut.Length > 0;
        return new()
        {
            Epoch = (int)step.Epoch,
            Epochs = _settings.Epochs,
            Step = step.Number,
            Steps = _plan.Steps,
            StepsPerEpoch = _plan.StepsPerEpoch,
            Loss = losses[^1],
            SmoothedLoss = State.Losses.Smoothed,
            MeanLoss = State.Losses.Mean,
            ValidationLoss = validates ? _loop.Validate(_images, _plan, Stops) : null,
            LearningRate = step.LearningRate,
            GradientNorm = step.GradientNorm.item<float>(),
            ImagesPerSecond = meter.ImagesPerSecond,
            TimeLeft = TimeLeft(meter.ImagesPerSecond),
        };
    }

    private TimeSpan TimeLeft(double imagesPerSecond)
    {
        var seconds = (_plan.Steps - State.Step) * (double)_plan.BatchSize / imagesPerSecond;
        return seconds < TimeSpan.MaxValue.TotalSeconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.MaxValue;
    }

    /// <exception cref="InvalidOperationException">A loss or a weight is not finite.</exception>
    private float[] ReadLosses(ProgressMeter meter, double rate)
    {
        var losses = meter.Read();
        var bad = Array.FindIndex(losses, loss => !float.IsFinite(loss));
        if (bad < 0 && AreWeightsFinite()) return losses;

        _diverged = true;
        var step = bad < 0 ? State.Step : State.Step - losses.Length + bad + 1;
        var found = bad < 0
            ? $"the norm of the weights after step {step} of {_plan.Steps} is not finite"
            : $"the loss at step {step} of {_plan.Steps} is {losses[bad]}";
        throw new InvalidOperationException(
            $"Training diverged: {found}, at learning rate {rate}. Lower LearningRate, or set WarmUpSteps or " +
            "GradientClipNorm. " + (Checkpoints?.Last is { } file
                ? $"The last good checkpoint is '{file}'."
                : "There is no checkpoint to go back to."));
    }

    /// <summary>
    /// Returns whether the parameters and the batch-norm statistics are finite: a step's loss is from before its
    /// update.
    /// </summary>
    private bool AreWeightsFinite()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        return float.IsFinite(State.Network.Parameters.norm().Plus(State.Network.Buffers.norm()).item<float>());
    }
}
