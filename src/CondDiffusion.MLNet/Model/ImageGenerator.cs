using System.Diagnostics;
using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Model;

/// <summary>
/// Generates images with a trained network. It can be used from several threads: one generates at a time, with every
/// core.
/// </summary>
internal sealed class ImageGenerator : IDisposable
{
    /// <summary>
    /// The index of a row's initial noise. The noise that is added in the step from timestep t has index t, from 1.
    /// </summary>
    private const int InitialNoise = 0;

    private readonly ModelDescription _model;
    private readonly Action _checkAlive;
    private readonly Type _owner;
    private readonly NoiseSchedule _schedule;
    private readonly int[] _timesteps;
    private bool _disposed;

    /// <param name="shared">The network. The generator is one of its owners until it is disposed.</param>
    /// <param name="model">Everything about the model but its weights.</param>
    /// <param name="checkAlive">Called before each evaluation of the network. It throws to stop the generation.</param>
    /// <param name="owner">The type that an <see cref="ObjectDisposedException"/> names.</param>
    public ImageGenerator(SharedNetwork shared, ModelDescription model, Action checkAlive, Type owner)
    {
        Shared = shared;
        _model = model;
        _checkAlive = checkAlive;
        _owner = owner;
        _schedule = model.CreateSchedule();
        _timesteps = Timesteps.Choose(_schedule, Sampling.Spacing, model.Steps);
    }

    public UNetShape Shape => _model.Network;

    /// <summary>The number of steps from noise to an image.</summary>
    public int Steps => _timesteps.Length;

    /// <summary>The network and what it shares among its generators.</summary>
    public SharedNetwork Shared { get; }

    private SamplingOptions Sampling => _model.Sampling;

    private ConditionalUNet Network => Shared.Network;

    /// <summary>
    /// Returns the number of images to generate at a time: the model's own, or as many as use the device well and fit
    /// into a quarter of its free memory.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public int ChooseBatchSize()
    {
        if (_model.BatchSize is { } size) return size;

        lock (Shared.Lock)
        {
            CheckNotDisposed();

            // A GPU holds all activations of the batch at once. On a CPU the network splits the batch (InferenceUNet),
            // and more than 32 images gain nothing.
            var isCpu = Network.Device.type == DeviceType.CPU;
            var pixels = 16L * Shape.Pixels;
            var activations = isCpu ? 0 : 4L * Shape.Height * Shape.Width * (Shape.Widths[0] + Shape.Widths[1]);
            var rowBytes = sizeof(float) * (pixels + activations);

            var fitting = TorchDevice.FreeMemory(Network.Device) / 4 / rowBytes;
            return (int)Math.Clamp(fitting, 1, isCpu ? 32 : 256);
        }
    }

    /// <summary>Calls <paramref name="use"/> with the network, which nobody disposes in the meantime.</summary>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public void UseNetwork(Action<ConditionalUNet> use)
    {
        lock (Shared.Lock)
        {
            CheckNotDisposed();
            use(Network);
        }
    }

    /// <summary>Returns the network for one more generator.</summary>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public SharedNetwork Share()
    {
        lock (Shared.Lock)
        {
            CheckNotDisposed();
            return Shared.Share();
        }
    }

    /// <summary>Generates an image for each row, in one run of the reverse loop.</summary>
    /// <param name="rows">What decides each image. Every row has a label if the network needs one.</param>
    /// <param name="visit">
    /// Receives t and x_t after each step. It gets the pixels of x_t, [B, C, H, W], from the function, which it must
    /// call before it returns.
    /// </param>
    /// <returns>The pixels, [B, C, H, W], approximately in [-1, 1].</returns>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public float[] Generate(IReadOnlyList<Condition> rows, Action<int, Func<float[]>>? visit = null)
    {
        lock (Shared.Lock)
        {
            CheckNotDisposed();
            Shared.BatchStarting?.Invoke(rows.Count);
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();

            long[] labels = [.. rows.Select(row => (long)row.Label!.Value)];
            long[] labelsAndNone = [.. labels, .. Enumerable.Repeat((long)LabelRow.None, labels.Length)];
            var network = Shared.GetInferenceNetwork(TorchDevice.ChooseDataType(Sampling.Precision, Network.Device));
            using var conditional = network.Prepare(_timesteps, labels);
            using var conditionalAndNot = network.Prepare(_timesteps, labelsAndNone);
            var denoiser = CreateDenoiser(rows, network, conditional, conditionalAndNot);

            RowNoise[] rowNoises = [.. rows.Select(row => new RowNoise(_model.NoiseSeed, row.NoiseKey))];
            Tensor Noise(int index) => CreateNoise(rowNoises, index);
            var start = Noise(InitialNoise);

            Action<int, Tensor>? show = visit is null ? null : (t, xt) => visit(t, () => Pixels(xt));
            var x0 = Sampling.Sampler switch
            {
                Sampler.Ancestral =>
                    DdimSampler.Sample(denoiser, _schedule, _timesteps, start, eta: 1, Noise, show),
                Sampler.Ddim =>
                    DdimSampler.Sample(denoiser, _schedule, _timesteps, start, Sampling.Eta, Noise, show),
                Sampler.DpmSolver =>
                    DpmSolverSampler.Sample(denoiser, _schedule, _timesteps, start, show),
                _ => throw new UnreachableException($"{Sampling.Sampler}"),
            };
            return Pixels(x0);
        }
    }

    public void Dispose()
    {
        lock (Shared.Lock)
        {
            if (!_disposed) Shared.Release();
            _disposed = true;
        }
    }

    /// <summary>Returns the denoiser of these rows, with guidance and clipping as the options say.</summary>
    private Denoiser CreateDenoiser(
        IReadOnlyList<Condition> rows, InferenceUNet network, StepEmbeddings conditional,
        StepEmbeddings conditionalAndNot)
    {
        // A row without a label has nothing to be guided by.
        float[] scales = [.. rows.Select(row => row.Label == LabelRow.None ? 1 : row.Guidance)];

        var denoiser = Denoisers.Guide(
            NetworkDenoiser(network, conditional),
            NetworkDenoiser(network, conditionalAndNot),
            tensor(scales, device: Network.Device),
            t => Sampling.Guides(t, _schedule.Timesteps));
        return Sampling.ClipPixels ? denoiser.ClipImage() : denoiser;
    }

    private Denoiser NetworkDenoiser(InferenceUNet network, StepEmbeddings embeddings) => (xt, t, step) =>
    {
        _checkAlive();
        CheckNotDisposed(); // the visitor may have disposed the generator, since its thread has the lock
        var prediction = network.Forward(xt, embeddings, step);
        return _model.Prediction.Image(prediction, xt, _schedule.Alpha(t), _schedule.Sigma(t));
    };

    /// <summary>Returns the noise of a batch with the given index, (B, C, H, W).</summary>
    private Tensor CreateNoise(RowNoise[] rows, int index)
    {
        var noise = empty(rows.Length, Shape.Channels, Shape.Height, Shape.Width);
        var values = MemoryMarshal.Cast<byte, float>(noise.bytes);
        for (var i = 0; i < rows.Length; i++) rows[i].Fill(values.Slice(i * Shape.Pixels, Shape.Pixels), index);
        return noise.to(Network.Device);
    }

    private void CheckNotDisposed() => ObjectDisposedException.ThrowIf(_disposed, _owner);

    private static float[] Pixels(Tensor x)
    {
        if (x.IsInvalid)
            throw new InvalidOperationException(
                "The images of this step are gone: ask for them while its progress is being reported.");

        using var scope = NewDisposeScope();
        return x.contiguous().cpu().data<float>().ToArray();
    }
}
