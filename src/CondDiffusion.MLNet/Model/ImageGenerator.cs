using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Model;

/// <summary>Draws pictures with a trained network. Safe to use from several threads: one draws at a time, with every core.</summary>
internal sealed class ImageGenerator : IDisposable
{
    /// <summary>The step whose noise a picture starts from; the others have the number of the timestep that they lead away from.</summary>
    private const int Start = 0;

    private readonly SharedNetwork _shared;
    private readonly ModelDescription _model;
    private readonly Action _checkAlive;
    private readonly NoiseSchedule _schedule;
    private readonly int[] _timesteps;
    private readonly Type _owner;
    private bool _disposed;

    /// <param name="shared">The network, whose share is given up with the generator.</param>
    /// <param name="model">All else of the model.</param>
    /// <param name="checkAlive">Called before each evaluation; it throws to stop.</param>
    /// <param name="owner">The type that an <see cref="ObjectDisposedException"/> names.</param>
    public ImageGenerator(SharedNetwork shared, ModelDescription model, Action checkAlive, Type owner)
    {
        _owner = owner;
        _shared = shared;
        _model = model;
        _checkAlive = checkAlive;
        _schedule = NoiseSchedule.Create(model.Schedule, model.Timesteps);
        _timesteps = ReverseLoop.Timesteps(_schedule, Sampling.Spacing, Math.Min(Sampling.Steps, model.Timesteps));
    }

    public UNetShape Shape => _model.Network;

    /// <summary>Steps from noise to picture.</summary>
    public int Steps => _timesteps.Length;

    /// <summary>
    /// Pictures to draw at a time: the model's number, or as many as use the device well and fit into a quarter of its free memory.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public int ChooseBatchSize()
    {
        if (_model.BatchSize is { } size) return size;
        lock (_shared.Lock)
        {
            CheckNotDisposed();
            // On a CPU the network takes the batch in parts (InferenceUNet), and more than 32 gain nothing; a GPU holds all activations at a time.
            var isCpu = Network.Device.type == DeviceType.CPU;
            var rowBytes = sizeof(float) * (16L * Shape.Pixels + (isCpu ? 0 : 4L * Shape.Height * Shape.Width * (Shape.Widths[0] + Shape.Widths[1])));
            return (int)Math.Clamp(TorchDevice.FreeMemory(Network.Device) / 4 / rowBytes, 1, isCpu ? 32 : 256);
        }
    }

    /// <summary>Is told the number of pictures in a run of the reverse loop, before each. For tests.</summary>
    public Action<int>? Drawing { get; set; }

    private SamplingOptions Sampling => _model.Sampling;

    private ConditionalUNet Network => _shared.Network;

    /// <summary>Shows the network, which nobody disposes meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public void Read(Action<ConditionalUNet> reader)
    {
        lock (_shared.Lock)
        {
            CheckNotDisposed();
            reader(Network);
        }
    }

    /// <summary>The network, for one more generator.</summary>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public SharedNetwork Share()
    {
        lock (_shared.Lock)
        {
            CheckNotDisposed();
            return _shared.Share();
        }
    }

    /// <summary>Draws one picture for each row, in one run of the reverse loop.</summary>
    /// <param name="rows">What each depends on; none is without what the network needs.</param>
    /// <param name="visit">Sees x_t after each step, with t, as pixels [B, C, H, W], which it has to ask for before it returns.</param>
    /// <returns>Pixels [B, C, H, W], about in [-1, 1].</returns>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public float[] Generate(IReadOnlyList<Condition> rows, Action<int, Func<float[]>>? visit = null)
    {
        lock (_shared.Lock)
        {
            CheckNotDisposed();
            Drawing?.Invoke(rows.Count);
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            RowNoise[] noises = [.. rows.Select(row => new RowNoise(_model.Seed, row.Noise))];

            Tensor Noise(int step)
            {
                var noise = empty(noises.Length, Shape.Channels, Shape.Height, Shape.Width);
                var values = MemoryMarshal.Cast<byte, float>(noise.bytes);
                for (var i = 0; i < noises.Length; i++) noises[i].Fill(values.Slice(i * Shape.Pixels, Shape.Pixels), step);
                return noise.to(Network.Device);
            }

            long[] labels = [.. rows.Select(row => (long)row.Label!.Value)];
            // A row without a label has nothing to be guided by.
            float[] scales = [.. rows.Select(row => row.Label >= 0 ? row.Guidance : 1)];
            var network = _shared.ToDraw(TorchDevice.ChooseDataType(Sampling.Precision, Network.Device));
            using var labelled = network.Prepare(_timesteps, labels);
            using var both = network.Prepare(_timesteps, [.. labels, .. labels.Select(_ => -1L)]);
            var denoiser = Denoisers.Guide(
                Denoiser(network, labelled), Denoiser(network, both), tensor(scales, device: Network.Device),
                t => Sampling.Guides(t, _schedule.Timesteps));
            if (Sampling.ClipPixels) denoiser = denoiser.ClipImage(_schedule);

            Action<int, Tensor>? show = visit is null ? null : (t, x) => visit(t, () => Pixels(x));
            return Pixels(Sampling.Sampler == Sampler.DpmSolver
                ? DpmSolverSampler.Sample(denoiser, _schedule, _timesteps, Noise(Start), show)
                : DdimSampler.Sample(
                    denoiser, _schedule, _timesteps, Noise(Start), Sampling.Sampler == Sampler.Ancestral ? 1 : Sampling.Eta, Noise, show));
        }
    }

    public void Dispose()
    {
        lock (_shared.Lock)
        {
            if (!_disposed) _shared.Release();
            _disposed = true;
        }
    }

    private Denoiser Denoiser(InferenceUNet network, StepEmbeddings embeddings) => (x, t) =>
    {
        _checkAlive();
        CheckNotDisposed(); // by the visitor, which has the lock
        return PredictedNoise(network.Forward(x, embeddings, Array.IndexOf(_timesteps, t)), x, t);
    };

    /// <summary>eps = sqrt(alpha_bar_t) v + sqrt(1 - alpha_bar_t) x_t (Salimans and Ho 2022, arXiv 2202.00512, appendix D).</summary>
    private Tensor PredictedNoise(Tensor prediction, Tensor x, int t) =>
        _model.Prediction == PredictionTarget.Noise ? prediction : _schedule.Signal(t) * prediction + _schedule.Noise(t) * x;

    private void CheckNotDisposed() => ObjectDisposedException.ThrowIf(_disposed, _owner);

    private static float[] Pixels(Tensor x)
    {
        if (x.IsInvalid) throw new InvalidOperationException("The pictures of this step are gone: ask for them while its progress is reported.");
        using var scope = NewDisposeScope();
        return x.contiguous().cpu().data<float>().ToArray();
    }
}
