using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>Trains a network to undo the noise in its images: Ho et al. 2020 (arXiv 2006.11239), algorithm 1, in batches.</summary>
internal sealed class TrainingLoop : IDisposable
{
    private readonly TrainingSettings _settings;
    private readonly DiffusionLoss _loss;
    private readonly int _timesteps;

    public TrainingLoop(ConditionalUNet network, NoiseSchedule schedule, TrainingSettings settings)
    {
        _settings = settings;
        _loss = new(network, schedule, settings.Target, settings.MinSnrGamma, settings.Type);
        _timesteps = schedule.Timesteps;
        State = new(network, settings.MovingAverageDecay);
    }

    /// <summary>Where the training stands.</summary>
    public TrainingState State { get; }

    /// <summary>Runs from the state's step to the last epoch's end; <see cref="Finish"/> gives the network its averaged weights.</summary>
    /// <param name="images">At least one image.</param>
    /// <param name="report">Called at the settings' interval, and at each epoch's end.</param>
    /// <param name="stops">Asked after each step whether to leave it at that.</param>
    /// <param name="checkpoints">Where the state is saved now and then, and at the end; null for nowhere.</param>
    /// <exception cref="InvalidOperationException">The loss or the weights are not finite, or a checkpoint cannot be written.</exception>
    public void Run(ImageStore images, Action<TrainingProgress> report, Func<bool>? stops = null, CheckpointDirectory? checkpoints = null)
    {
        using var scope = NewDisposeScope();
        using var noise = new Generator(0, State.Network.Device);
        using var meter = new ProgressMeter(_settings.ReportInterval, State);
        using var reader = new BatchReader(images, State.Network.Shape, _settings.BatchSize);

        var rows = Shuffle([.. Enumerable.Range(0, images.Count)], SeedStream.HeldOut(_settings.Seed));
        var heldOut = rows.AsMemory(0, Math.Min((int)(_settings.ValidationFraction * rows.Length), rows.Length - 1));
        var training = rows[heldOut.Length..];
        Array.Sort(training);

        var stepsPerEpoch = (training.Length + _settings.BatchSize - 1) / _settings.BatchSize;
        var steps = (long)stepsPerEpoch * _settings.Epochs;
        if (State.Step > steps)
            throw new InvalidOperationException($"Epochs is {_settings.Epochs}, which is {steps} steps, but the checkpoint has done {State.Step}.");
        while (State.Step < steps)
        {
            var epoch = State.Step / stepsPerEpoch + 1;
            var order = Shuffle(training, SeedStream.EpochOrder(_settings.Seed, epoch));
            var done = (int)(State.Step % stepsPerEpoch) * _settings.BatchSize;
            if (done == 0) State.Losses = State.Losses.NextEpoch();
            foreach (var batch in reader.Read(order.AsMemory(done)))
            {
                using var stepScope = NewDisposeScope();
                var rate = _settings.LearningRate.At(State.Step + 1, steps);
                var (loss, gradientNorm) = Step(batch, noise, rate);
                meter.Add(loss, batch.Count);

                var endsEpoch = State.Step % stepsPerEpoch == 0;
                if (endsEpoch || meter.IsDue)
                {
                    report(Progress(ReadLosses()[^1]));
                    meter.StartInterval();
                }
                else if (meter.IsFull) ReadLosses();

                var stopping = stops?.Invoke() ?? false;
                if (checkpoints is not null && (stopping || State.Step == steps || checkpoints.IsDue(State.Step)))
                {
                    ReadLosses();
                    checkpoints.Save(State);
                }
                if (stopping) return;

                float[] ReadLosses()
                {
                    var losses = meter.Read();
                    CheckFinite(losses, rate, steps, checkpoints?.Last);
                    return losses;
                }

                TrainingProgress Progress(double lastLoss) => new()
                {
                    Epoch = (int)epoch,
                    Epochs = _settings.Epochs,
                    Step = State.Step,
                    Steps = steps,
                    Loss = lastLoss,
                    SmoothedLoss = State.Losses.Smoothed,
                    MeanLoss = State.Losses.Mean,
                    ValidationLoss = endsEpoch && heldOut.Length > 0 ? Validate(reader, heldOut) : null,
                    LearningRate = rate,
                    GradientNorm = gradientNorm.item<float>(),
                    ImagesPerSecond = meter.ImagesPerSecond,
                    TimeLeft = TimeSpan.FromSeconds((steps - State.Step) * _settings.BatchSize / meter.ImagesPerSecond),
                };
            }
        }
    }

    private (Tensor Loss, Tensor GradientNorm) Step(BatchReader.Batch batch, Generator noise, double learningRate)
    {
        var (x0, labels) = batch.To(State.Network.Device);

        // Each step has a stream of its own, so that a training continued from a step needs no generator's state.
        var (t, eps) = Draw(noise, SeedStream.StepNoise(_settings.Seed, State.Step), x0);
        if (_settings.LabelDropout > 0)
            labels = labels.masked_fill(rand(batch.Count, device: x0.device, generator: noise) < _settings.LabelDropout, -1);
        return Step(x0, t, eps, labels, learningRate);
    }

    /// <summary>One step of gradient descent; returns the loss before it and the gradient's norm before clipping, neither waited for.</summary>
    internal (Tensor Loss, Tensor GradientNorm) Step(Tensor x0, Tensor t, Tensor eps, Tensor labels, double learningRate)
    {
        using var scope = NewDisposeScope();
        var loss = _loss.Compute(x0, t, eps, labels, training: true);
        var gradient = autograd.grad([loss], [State.Network.Parameters])[0];
        var norm = gradient.norm();
        if (_settings.GradientClipNorm > 0) gradient.mul_((_settings.GradientClipNorm / (norm + 1e-6)).clamp_max_(1));

        State.Step++;
        State.Adam.Step(gradient, learningRate, State.Step);
        State.Average?.Update(State.Step);
        return (loss.detach().MoveToOuterDisposeScope(), norm.MoveToOuterDisposeScope());
    }

    /// <summary>Gives the network the averaged weights, where there are any.</summary>
    public void Finish() => State.Average?.Swap();

    /// <summary>A copy of the network as <see cref="Finish"/> would leave it now.</summary>
    public ConditionalUNet CopyAveraged() =>
        State.Network.CopyWith(State.Average?.Parameters ?? State.Network.Parameters, State.Average?.Buffers ?? State.Network.Buffers);

    public void Dispose()
    {
        _loss.Dispose();
        State.Dispose();
    }

    /// <summary>The loss on images that are not trained on, of the averaged weights, always over the same noise and timesteps.</summary>
    private double Validate(BatchReader reader, ReadOnlyMemory<int> rows)
    {
        using var noGrad = no_grad();
        using var noise = new Generator(0, State.Network.Device);
        State.Average?.Swap();
        var (sum, step) = (0.0, 0L);
        foreach (var batch in reader.Read(rows))
        {
            using var scope = NewDisposeScope();
            var (x0, labels) = batch.To(State.Network.Device);
            var (t, eps) = Draw(noise, SeedStream.ValidationNoise(_settings.Seed, step++), x0);
            sum += (double)_loss.Compute(x0, t, eps, labels, training: false).item<float>() * batch.Count;
        }
        State.Average?.Swap();
        return sum / rows.Length;
    }

    private void CheckFinite(float[] losses, double rate, long steps, string? checkpoint)
    {
        var bad = Array.FindIndex(losses, loss => !float.IsFinite(loss));
        var weights = State.Network.Parameters.norm().item<float>(); // a step's loss is from before its weights
        if (bad < 0 && float.IsFinite(weights)) return;

        var (step, found) = bad < 0 ? (State.Step, "the weights after") : (State.Step - losses.Length + bad + 1, "the loss at");
        throw new InvalidOperationException(
            $"Training diverged: {found} step {step} of {steps} {(bad < 0 ? "are not finite" : $"is {losses[bad]}")}, at learning rate {rate}. " +
            "Lower LearningRate, or set WarmUpSteps or GradientClipNorm. " +
            (checkpoint is null ? "There is no checkpoint to go back to." : $"The last good checkpoint is '{checkpoint}'."));
    }

    /// <summary>A timestep for each image, and noise like them: the first numbers of a stream, at which the generator is left.</summary>
    private (Tensor T, Tensor Eps) Draw(Generator noise, ulong seed, Tensor x0)
    {
        noise.manual_seed((long)seed);
        return (
            randint(1, _timesteps + 1, [x0.shape[0]], ScalarType.Int64, x0.device, generator: noise),
            randn(x0.shape, device: x0.device, generator: noise));
    }

    private static int[] Shuffle(int[] rows, ulong seed)
    {
        using var generator = new Generator(seed, CPU);
        using var permutation = randperm(rows.Length, ScalarType.Int32, generator: generator);
        return [.. permutation.data<int>().Select(i => rows[i])];
    }
}
