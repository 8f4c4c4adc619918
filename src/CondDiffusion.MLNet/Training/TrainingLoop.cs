using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Trains a network to predict what noise was added to its images: Ho et al. 2020 (arXiv 2006.11239), algorithm 1, in
/// batches.
/// </summary>
internal sealed class TrainingLoop : IDisposable
{
    private readonly TrainingSettings _settings;
    private readonly DiffusionLoss _loss;
    private readonly DeviceGate _gate;
    private readonly int _timesteps;

    public TrainingLoop(ConditionalUNet network, NoiseSchedule schedule, TrainingSettings settings)
    {
        _settings = settings;
        _loss = new(network, schedule, settings.Target, settings.MinSnrGamma, settings.Type);
        _gate = DeviceGate.For(network.Device);
        _timesteps = schedule.Timesteps;
        State = new(network, settings.MovingAverageDecay);
    }

    /// <summary>The state of the training, which each step changes.</summary>
    public TrainingState State { get; }

    /// <summary>
    /// Trains from the state's step to the end of the last epoch, and returns after each step. Between two steps no
    /// dispose scope is open and the device is free, so that the caller may do what it likes.
    /// </summary>
    /// <param name="images">At least one image.</param>
    /// <param name="plan">The order of the images.</param>
    public IEnumerable<TrainingStep> Steps(ImageStore images, EpochPlan plan)
    {
        using var batches = CreateReader(images, plan.BatchSize);
        using var noise = new Generator(0, CPU);
        while (State.Step < plan.Steps)
        {
            if (State.Step % plan.StepsPerEpoch == 0) State.Losses = State.Losses.NextEpoch();
            foreach (var batch in batches.Read(plan.RestOfEpoch(State.Step)))
            {
                using var step = Step(batch, noise, plan);
                yield return step;
            }
        }
    }

    /// <summary>
    /// Computes the loss of the averaged weights on the held-out images, with the same noise and timesteps every time.
    /// </summary>
    /// <param name="images">All images.</param>
    /// <param name="plan">Which of them are held out.</param>
    /// <param name="stops">Returns whether to stop; asked before each batch.</param>
    /// <returns>The mean loss; null if it was stopped.</returns>
    public double? Validate(ImageStore images, EpochPlan plan, Func<bool> stops)
    {
        using var batches = CreateReader(images, Math.Min(plan.BatchSize, plan.HeldOut.Length));
        using var noise = new Generator(0, CPU);
        using var noGrad = no_grad();
        State.Average?.Swap();
        try
        {
            var sum = 0.0;
            var number = 0L;
            foreach (var batch in batches.Read(plan.HeldOut))
            {
                if (stops()) return null;

                var seed = SeedStream.ValidationNoise(_settings.Seed, number++);
                sum += batch.Count * OnDevice(batch.Count, () =>
                {
                    var (x0, labels) = batch.To(State.Network.Device);
                    var (t, eps) = DrawNoise(noise, seed, x0);
                    return (double)_loss.Compute(x0, t, eps, labels, training: false).item<float>();
                });
            }

            return sum / plan.HeldOut.Length;
        }
        finally
        {
            State.Average?.Swap();
        }
    }

    /// <summary>Gives the network the averaged weights, where there are any.</summary>
    public void Finish() => State.Average?.Swap();

    /// <summary>Returns a copy of the network as <see cref="Finish"/> would leave it now.</summary>
    public ConditionalUNet CopyAveraged() => State.Network.CopyWith(
        State.Average?.Parameters ?? State.Network.Parameters,
        State.Average?.Buffers ?? State.Network.Buffers);

    public void Dispose()
    {
        _loss.Dispose();
        State.Dispose();
    }

    /// <summary>
    /// Takes one step of gradient descent; returns the loss before it and the gradient's norm before clipping.
    /// </summary>
    /// <param name="x0">Images, (B, C, H, W).</param>
    /// <param name="t">Timesteps 1..T, int64 (B).</param>
    /// <param name="eps">Standard normal noise, (B, C, H, W).</param>
    /// <param name="labels">Rows of the label table, int64 (B); negative for none.</param>
    /// <param name="learningRate">The learning rate.</param>
    internal (Tensor Loss, Tensor GradientNorm) Update(
        Tensor x0, Tensor t, Tensor eps, Tensor labels, double learningRate)
    {
        using var scope = NewDisposeScope();
        var (loss, gradient) = Differentiate(x0, t, eps, labels);

        using var noGrad = no_grad();
        var norm = gradient.norm();
        if (_settings.GradientClipNorm > 0)
            gradient.mul_((_settings.GradientClipNorm / (norm + 1e-6)).clamp_max_(1));

        State.Advance(gradient, learningRate);
        return (loss.MoveToOuterDisposeScope(), norm.MoveToOuterDisposeScope());
    }

    /// <summary>
    /// Draws a timestep for each image, and noise like the images: the first numbers of a stream, at which the
    /// generator is left. They are drawn on the CPU, so that a seed means the same on every device; TorchSharp makes no
    /// other generators.
    /// </summary>
    internal (Tensor T, Tensor Eps) DrawNoise(Generator noise, ulong seed, Tensor x0)
    {
        noise.manual_seed((long)seed);
        var t = randint(1, _timesteps + 1, [x0.shape[0]], ScalarType.Int64, CPU, generator: noise);
        var eps = randn(x0.shape, ScalarType.Float32, CPU, generator: noise);
        return (t.to(x0.device), eps.to(x0.device));
    }

    /// <summary>Replaces a fraction of the labels by none, at random.</summary>
    internal static Tensor HideLabels(Tensor labels, double fraction, Generator noise)
    {
        var hidden = rand([labels.shape[0]], ScalarType.Float32, CPU, generator: noise) < fraction;
        return labels.masked_fill(hidden.to(labels.device), LabelRow.None);
    }

    /// <summary>Computes the loss and its gradient. If that fails, the state is as it was before.</summary>
    private (Tensor Loss, Tensor Gradient) Differentiate(Tensor x0, Tensor t, Tensor eps, Tensor labels)
    {
        var parameters = State.Network.Parameters;
        var buffers = State.Network.Buffers;
        var buffersBefore = buffers.clone(); // the forward pass updates the batch-norm statistics
        try
        {
            using var grad = enable_grad(); // whatever the caller's mode is

            // An error in the backward pass is an exception here. In autograd.grad it would end the process, since
            // TorchSharp does not catch it there.
            var loss = _loss.Compute(x0, t, eps, labels, training: true);
            loss.backward();
            return (loss.detach(), parameters.grad!);
        }
        catch
        {
            buffers.copy_(buffersBefore);
            throw;
        }
        finally
        {
            parameters.grad = null;
        }
    }

    private TrainingStep Step(Batch batch, Generator noise, EpochPlan plan)
    {
        var number = State.Step + 1;
        var rate = _settings.LearningRate.At(number, plan.Steps);
        var (loss, norm) = OnDevice(batch.Count, () =>
        {
            var (x0, labels) = batch.To(State.Network.Device);

            // Each step has random numbers of its own, so that a resumed training needs no generator's state.
            var (t, eps) = DrawNoise(noise, SeedStream.StepNoise(_settings.Seed, State.Step), x0);
            if (_settings.LabelDropout > 0) labels = HideLabels(labels, _settings.LabelDropout, noise);

            var (loss, norm) = Update(x0, t, eps, labels, rate);
            return (loss.DetachFromDisposeScope(), norm.DetachFromDisposeScope());
        });
        return new(number, plan.EpochOf(number), plan.EndsEpoch(number), batch.Count, rate, loss, norm);
    }

    /// <summary>Computes something in a dispose scope, while nobody else uses the device.</summary>
    /// <exception cref="InvalidOperationException">The device has too little memory.</exception>
    private T OnDevice<T>(int images, Func<T> compute) => WithEnoughMemory(images, () =>
    {
        using var turn = _gate.Enter();
        using var exact = Float32Math.Exact(State.Network.Device);
        using var scope = NewDisposeScope();
        return compute();
    });

    private BatchReader CreateReader(ImageStore images, int batchSize) =>
        WithEnoughMemory(batchSize, () => new BatchReader(images, State.Network.Shape, batchSize));

    /// <summary>Translates running out of memory into an error that says what to do.</summary>
    /// <param name="images">The number of images in the batch.</param>
    /// <param name="compute">The computation.</param>
    /// <exception cref="InvalidOperationException">There is too little memory.</exception>
    internal T WithEnoughMemory<T>(int images, Func<T> compute)
    {
        try
        {
            return compute();
        }
        catch (ExternalException exception) when (TorchErrors.IsOutOfMemory(exception))
        {
            throw new InvalidOperationException(
                $"The memory of {State.Network.Device} is too small for a batch of {images} training images " +
                $"(BatchSize is {_settings.BatchSize}). Choose a smaller BatchSize or smaller ChannelWidths, or a " +
                "device with more free memory.",
                exception);
        }
    }
}
