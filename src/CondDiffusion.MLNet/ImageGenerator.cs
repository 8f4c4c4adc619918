using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet;

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
    private bool _disposed;

    /// <param name="shared">The network, whose share is given up with the generator.</param>
    /// <param name="model">All else of the model.</param>
    /// <param name="checkAlive">Called before each evaluation; it throws to stop.</param>
    public ImageGenerator(SharedNetwork shared, ModelDescription model, Action checkAlive)
    {
        _shared = shared;
        _model = model;
        _checkAlive = checkAlive;
        _schedule = NoiseSchedule.Create(model.Schedule, model.Timesteps);
        _timesteps = ReverseLoop.Timesteps(_schedule, Sampling.Spacing, Math.Min(Sampling.Steps, model.Timesteps));
    }

    public UNetShape Shape => _model.Network;

    /// <summary>Steps from noise to picture.</summary>
    public int Steps => _timesteps.Length;

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

            var denoiser = Denoiser(rows);
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

    private Denoiser Denoiser(IReadOnlyList<Condition> rows)
    {
        Denoiser For(Tensor labels) => (x, t) =>
        {
            _checkAlive();
            CheckNotDisposed(); // by the visitor, which has the lock
            return PredictedNoise(Network.Forward(x, full_like(labels, t), labels), x, t);
        };

        var labels = tensor([.. rows.Select(row => (long)row.Label!.Value)], device: Network.Device);
        // A row without a label has nothing to be guided by.
        var scale = tensor([.. rows.Select(row => row.Label >= 0 ? row.Guidance : 1)], device: Network.Device);
        var denoiser = Denoisers.Guide(
            For(labels), For(cat([labels, full_like(labels, -1)])), scale, t => Sampling.Guides(t, _schedule.Timesteps));
        return Sampling.ClipPixels ? denoiser.ClipImage(_schedule) : denoiser;
    }

    /// <summary>eps = sqrt(alpha_bar_t) v + sqrt(1 - alpha_bar_t) x_t (Salimans and Ho 2022, arXiv 2202.00512, appendix D).</summary>
    private Tensor PredictedNoise(Tensor prediction, Tensor x, int t) =>
        _model.Prediction == PredictionTarget.Noise ? prediction : _schedule.Signal(t) * prediction + _schedule.Noise(t) * x;

    private void CheckNotDisposed() => ObjectDisposedException.ThrowIf(_disposed, typeof(ConditionalDiffusionTransformer));

    private static float[] Pixels(Tensor x)
    {
        if (x.IsInvalid) throw new InvalidOperationException("The pictures of this step are gone: ask for them while its progress is reported.");
        using var scope = NewDisposeScope();
        return x.contiguous().cpu().data<float>().ToArray();
    }
}
