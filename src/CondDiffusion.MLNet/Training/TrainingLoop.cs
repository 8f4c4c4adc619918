using System.Diagnostics;
using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>Trains a network to predict the noise in its images: Ho et al. 2020 (arXiv 2006.11239), algorithm 1, in batches.</summary>
internal sealed class TrainingLoop : IDisposable
{
    private readonly ConditionalUNet _network;
    private readonly ForwardProcess _process;
    private readonly TrainingSettings _settings;
    private readonly Adam _adam;
    private readonly MovingAverage? _average;
    private readonly int _timesteps;

    public TrainingLoop(ConditionalUNet network, NoiseSchedule schedule, TrainingSettings settings)
    {
        _network = network;
        _process = new(schedule, network.Device);
        _settings = settings;
        _adam = new(network.Parameters, settings.LearningRate);
        _average = settings.MovingAverageDecay > 0 ? new(network, settings.MovingAverageDecay) : null;
        _timesteps = schedule.Timesteps;
    }

    /// <summary>Runs every epoch; the network ends with the averaged weights.</summary>
    /// <param name="images">At least one image.</param>
    /// <param name="report">Called after each step.</param>
    /// <exception cref="InvalidOperationException">The loss is not finite.</exception>
    public void Run(ImageStore images, Action<TrainingProgress> report)
    {
        using var scope = NewDisposeScope();
        using var shuffle = new Generator(0, CPU);
        using var noise = new Generator(0, _network.Device);
        var batch = new Batch(_network.Shape, Math.Min(_settings.BatchSize, images.Count));

        var clock = Stopwatch.StartNew();
        var stepsPerEpoch = (images.Count + _settings.BatchSize - 1) / _settings.BatchSize;
        var steps = (long)stepsPerEpoch * _settings.Epochs;
        long step = 0;
        for (var epoch = 1; epoch <= _settings.Epochs; epoch++)
        {
            shuffle.manual_seed((long)Philox.Derive(_settings.Seed, new UInt128(1, (ulong)epoch)));
            using var permutation = randperm(images.Count, ScalarType.Int32, generator: shuffle);
            var order = permutation.data<int>().ToArray();

            var lossSum = 0.0;
            for (var start = 0; start < order.Length; start += _settings.BatchSize)
            {
                using var stepScope = NewDisposeScope();
                step++;
                var rows = order.AsSpan(start, Math.Min(_settings.BatchSize, order.Length - start));
                var (x0, labels) = batch.Read(images, rows, _network.Device);

                // Each step has a stream of its own, so that a training continued from a step needs no generator's state.
                noise.manual_seed((long)Philox.Derive(_settings.Seed, new UInt128(2, (ulong)step)));
                var t = randint(1, _timesteps + 1, [rows.Length], ScalarType.Int64, _network.Device, generator: noise);
                var eps = randn(x0.shape, device: _network.Device, generator: noise);

                var loss = Step(x0, t, eps, labels).item<float>();
                if (!float.IsFinite(loss))
                    throw new InvalidOperationException(
                        $"Training diverged: the loss at step {step} of {steps} is {loss}, at learning rate {_settings.LearningRate}. Lower LearningRate.");

                lossSum += (double)loss * rows.Length;
                var done = (long)(epoch - 1) * images.Count + start + rows.Length;
                report(new()
                {
                    Epoch = epoch,
                    Epochs = _settings.Epochs,
                    Step = step,
                    Steps = steps,
                    Loss = loss,
                    MeanLoss = lossSum / (start + rows.Length),
                    ImagesPerSecond = done / clock.Elapsed.TotalSeconds,
                    TimeLeft = clock.Elapsed / step * (steps - step),
                });
            }
        }
        _average?.CopyToNetwork();
    }

    /// <summary>One step of gradient descent on || eps - eps_theta(x_t, t, y) ||^2 (equation 14); returns the loss before the step.</summary>
    internal Tensor Step(Tensor x0, Tensor t, Tensor eps, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var loss = nn.functional.mse_loss(_network.Forward(_process.AddNoise(x0, t, eps), t, labels, training: true, _settings.Type), eps);
        var gradient = autograd.grad([loss], [_network.Parameters])[0];
        _adam.Step(gradient);
        _average?.Update();
        return loss.detach().MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _process.Dispose();
        _adam.Dispose();
        _average?.Dispose();
    }

    /// <summary>Buffers that every batch is gathered into, in the caller's dispose scope.</summary>
    private sealed class Batch(UNetShape shape, int size)
    {
        private readonly Tensor _images = empty(size, shape.Channels, shape.Height, shape.Width);
        private readonly Tensor _labels = empty(size, ScalarType.Int64);

        public (Tensor Images, Tensor Labels) Read(ImageStore store, ReadOnlySpan<int> rows, Device device)
        {
            var images = MemoryMarshal.Cast<byte, float>(_images.bytes);
            var labels = MemoryMarshal.Cast<byte, long>(_labels.bytes);
            for (var i = 0; i < rows.Length; i++) labels[i] = store.Read(rows[i], images.Slice(i * shape.Pixels, shape.Pixels));
            return (_images.narrow(0, 0, rows.Length).to(device), _labels.narrow(0, 0, rows.Length).to(device));
        }
    }
}
