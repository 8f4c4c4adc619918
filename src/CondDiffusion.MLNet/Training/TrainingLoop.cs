using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>Trains a network by gradient descent on batches of its images.</summary>
internal sealed class TrainingLoop : IDisposable
{
    private readonly TrainingSettings _settings;
    private readonly ITrainingLoss _loss;
    private readonly DeviceGate _gate;

    /// <param name="network">The network to train.</param>
    /// <param name="loss">The network's loss. It is disposed with the loop.</param>
    /// <param name="settings">The settings of the loop.</param>
    public TrainingLoop(FlatNetwork network, ITrainingLoss loss, TrainingSettings settings)
    {
        _settings = settings;
        _loss = loss;
        _gate = DeviceGate.For(network.Device);
        State = new(network, settings);
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
        using var random = new Generator(0, CPU);
        while (State.Step < plan.Steps)
        {
            if (State.Step % plan.StepsPerEpoch == 0) State.Losses = State.Losses.NextEpoch();
            foreach (var batch in batches.Read(plan.RestOfEpoch(State.Step)))
            {
                using var step = Step(batch, random, plan);
                yield return step;
            }
        }
    }

    /// <summary>
    /// Computes the loss of the averaged weights on the held-out images, with the same random numbers every time, and
    /// remembers which average has the lowest one.
    /// </summary>
    /// <param name="images">All images.</param>
    /// <param name="plan">Which of them are held out.</param>
    /// <param name="stops">Returns whether to stop; asked before each batch.</param>
    /// <returns>The mean loss of the best average; null if it was stopped.</returns>
    public double? Validate(ImageStore images, EpochPlan plan, Func<bool> stops)
    {
        var losses = new List<double>();
        foreach (var average in State.Averages.DefaultIfEmpty())
        {
            var loss = WithEnoughMemory(
                plan.BatchSize, () => State.WithAverage(average, () => ComputeLoss(images, plan, stops)));
            if (loss is null) return null;
            losses.Add(loss.Value);
        }

        // A loss that is not a number is no loss to choose.
        State.Best = losses.Index().MinBy(loss => double.IsNaN(loss.Item) ? double.PositiveInfinity : loss.Item).Index;
        State.BestStep = State.Step;
        return losses[State.Best];
    }

    private double? ComputeLoss(ImageStore images, EpochPlan plan, Func<bool> stops)
    {
        using var batches = CreateReader(images, Math.Min(plan.BatchSize, plan.HeldOut.Length));
        using var random = new Generator(0, CPU);
        using var noGrad = no_grad();
        var sum = 0.0;
        var number = 0L;
        foreach (var batch in batches.Read(plan.HeldOut))
        {
            if (stops()) return null;

            var seed = SeedStream.ValidationNoise(_settings.Seed, number++);
            sum += batch.Count * OnDevice(batch.Count, () =>
            {
                random.manual_seed((long)seed);
                return (double)_loss.Compute(batch, random, training: false).item<float>();
            });
        }

        return sum / plan.HeldOut.Length;
    }

    /// <summary>Gives the network the averaged weights, where there are any.</summary>
    public void Finish() => State.Average?.CopyToNetwork();

    /// <summary>The parameters and the buffers that <see cref="Finish"/> would give the network now.</summary>
    public (Tensor Parameters, Tensor Buffers) Averaged => (
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
    /// <param name="computeLoss">Computes the loss to descend.</param>
    /// <param name="learningRate">The learning rate.</param>
    internal (Tensor Loss, Tensor GradientNorm) Update(Func<Tensor> computeLoss, double learningRate)
    {
        using var scope = NewDisposeScope();
        var (loss, gradient) = Differentiate(computeLoss);

        using var noGrad = no_grad();
        var norm = gradient.norm();
        if (_settings.GradientClipNorm > 0)
            gradient.mul_(norm.Plus(1e-6).reciprocal().Times(_settings.GradientClipNorm).clamp_max_(Numbers.One));

        State.Advance(gradient, learningRate);
        return (loss.MoveToOuterDisposeScope(), norm.MoveToOuterDisposeScope());
    }

    /// <summary>Computes the loss and its gradient. If that fails, the state is as it was before.</summary>
    private (Tensor Loss, Tensor Gradient) Differentiate(Func<Tensor> computeLoss)
    {
        var parameters = State.Network.Parameters;
        var buffers = State.Network.Buffers;
        var buffersBefore = buffers.clone(); // the forward pass updates the batch-norm statistics
        try
        {
            using var grad = enable_grad(); // whatever the caller's mode is

            // An error in the backward pass is an exception here. In autograd.grad it would end the process, since
            // TorchSharp does not catch it there.
            var loss = computeLoss();
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

    private TrainingStep Step(Batch batch, Generator random, EpochPlan plan)
    {
        var number = State.Step + 1;
        var rate = _settings.LearningRate.At(number, plan.Steps);
        var (loss, norm) = OnDevice(batch.Count, () =>
        {
            // Each step has random numbers of its own, so that a resumed training needs no generator's state.
            random.manual_seed((long)SeedStream.StepNoise(_settings.Seed, State.Step));
            var (loss, norm) = Update(() => _loss.Compute(batch, random, training: true), rate);
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
        WithEnoughMemory(batchSize, () => new BatchReader(images, State.Network.ImageSize, batchSize));

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
                $"(BatchSize is {_settings.BatchSize}). Choose a smaller BatchSize or a smaller network, or a device " +
                "with more free memory.",
                exception);
        }
    }
}
