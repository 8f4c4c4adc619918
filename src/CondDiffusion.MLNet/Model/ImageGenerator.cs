using System.Diagnostics;
using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Network;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Model;

/// <summary>
/// Generates images with a trained network. Any number of threads may use it: their generations take turns at the
/// device, one evaluation of the network at a time.
/// </summary>
internal sealed class ImageGenerator : IRowComputer<Condition>, IDisposable
{
    /// <summary>
    /// The index of a row's initial noise. The noise that is added in the step from timestep t has index t, from 1.
    /// </summary>
    public const int InitialNoise = 0;

    private readonly ModelDescription _model;
    private readonly Action _checkAlive;
    private readonly Lifetime _lifetime;
    private readonly NoiseSchedule _schedule;
    private readonly int[] _timesteps;
    private readonly float[] _noises;

    /// <param name="shared">The network. The generator is one of its owners until it is disposed.</param>
    /// <param name="model">Everything about the model but its weights.</param>
    /// <param name="checkAlive">
    /// Called before each evaluation of the network and while waiting for one. It throws to stop the generation.
    /// </param>
    /// <param name="owner">The type that an <see cref="ObjectDisposedException"/> names.</param>
    public ImageGenerator(SharedNetwork shared, ModelDescription model, Action checkAlive, Type owner)
    {
        Shared = shared;
        _model = model;
        _checkAlive = checkAlive;
        _lifetime = new(owner, shared.Release);
        _schedule = model.CreateSchedule();
        _timesteps = Timesteps.Choose(_schedule, Sampling.Spacing, model.Steps);
        _noises = [.. _timesteps.Select(t => Shape.NoiseAt(_schedule, t))];
    }

    public UNetShape Shape => _model.Network;

    /// <summary>The number of steps from noise to an image.</summary>
    public int Steps => _timesteps.Length;

    /// <summary>The network and what it shares among its generators.</summary>
    public SharedNetwork Shared { get; }

    int IRowComputer<Condition>.ValuesPerRow => Shape.Pixels;

    private SamplingOptions Sampling => _model.Sampling;

    /// <summary>
    /// Returns the number of images to generate at a time: the model's own, or as many as use the device well and fit
    /// into a quarter of its free memory.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public int ChooseBatchSize()
    {
        _lifetime.CheckNotDisposed();
        if (_model.PossibleBatchSize is { } size) return size;

        // A GPU holds all activations of the batch at once. On a CPU the network splits the batch (InferenceUNet), and
        // more than 32 images gain nothing.
        var isCpu = Shared.Device.type == DeviceType.CPU;
        var pixels = 16L * Shape.Pixels;
        var activations = isCpu ? 0 : 4 * Shape.LargestActivation;
        var rowBytes = sizeof(float) * (pixels + activations);

        return TorchDevice.ChooseBatchSize(TorchDevice.FreeMemory(Shared.Device), rowBytes, isCpu ? 32 : 256);
    }

    /// <summary>Calls <paramref name="use"/> with the network, which nobody frees in the meantime.</summary>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public void UseNetwork(Action<ConditionalUNet> use)
    {
        using var lifetime = _lifetime.Begin();
        use(Shared.Network);
    }

    /// <summary>Returns the network for one more owner, such as another generator.</summary>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public SharedNetwork Share()
    {
        using var lifetime = _lifetime.Begin();
        return Shared.Share();
    }

    /// <summary>
    /// Waits, without a thread, until one of the few asynchronous generations that run at a time on the device may
    /// begin; disposing the result lets the next one begin.
    /// </summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public Task<DeviceGate.Turn> EnterGenerationAsync(CancellationToken cancellationToken) =>
        DeviceGate.ForGenerations(Shared.Device).EnterAsync(CheckCanContinue, cancellationToken);

    /// <summary>
    /// Generates an image for each row, in batches of <see cref="ChooseBatchSize"/>, each in one run of the reverse
    /// loop.
    /// </summary>
    /// <param name="rows">What decides each image. Every row has a label if the network needs one.</param>
    /// <param name="report">
    /// Receives the progress after each step. It runs on this thread while the device is free for others, in the
    /// caller's dispose scope and gradient mode.
    /// </param>
    /// <param name="cancellationToken">Token that stops the generation, also while it waits for the device.</param>
    /// <returns>
    /// The pixels of each batch, [B, C, H, W], approximately in [-1, 1]. A batch is generated when it is read, with the
    /// exceptions below.
    /// </returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public IEnumerable<float[]> GenerateBatches(
        IReadOnlyList<Condition> rows,
        Action<GenerationProgress>? report = null,
        CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var lifetime = _lifetime.Begin();
        var size = rows.Count > 1 ? ChooseBatchSize() : 1;
        Condition[][] batches = [.. rows.Chunk(size)];
        foreach (var (i, batch) in batches.Index())
        {
            var visit = report is null
                ? null
                : CreateVisitor(report, i, batches.Length, i * size, cancellationToken);
            yield return GenerateBatch(batch, visit, cancellationToken);
        }
    }

    /// <summary>Generates an image for each row, as <see cref="GenerateBatches"/> does.</summary>
    /// <returns>The pixels of all rows, one after the other, each [C, H, W].</returns>
    public float[] Generate(IReadOnlyList<Condition> rows, CancellationToken cancellationToken = default) =>
        [.. GenerateBatches(rows, null, cancellationToken).SelectMany(batch => batch)];

    float[] IRowComputer<Condition>.Compute(IReadOnlyList<Condition> rows) => Generate(rows);

    /// <summary>
    /// Marks the generator as disposed, without waiting: its generations end before their next evaluation, and the last
    /// of them frees the network if no other generator has it.
    /// </summary>
    public void Dispose() => _lifetime.Dispose();

    /// <summary>Generates the images of a batch. The caller is a user of the generator.</summary>
    private float[] GenerateBatch(
        Condition[] rows, Action<int, Tensor>? visit, CancellationToken cancellationToken)
    {
        Shared.BatchStarting?.Invoke(rows.Length);

        // A row without a label has nothing to be guided by.
        var guided = new GuidedRows([.. rows.Select(row => row.Label == LabelRow.None ? 1 : row.Guidance)]);
        long[] labels = [.. rows.Select(row => (long)row.Label!.Value)];

        var network = GetNetwork(cancellationToken);
        using var conditional = Prepare(labels);
        using var evaluations = guided.Any ? Prepare(guided.LabelsOf(labels, LabelRow.None)) : null;
        var denoiser = GuidedDenoiser.Create(
            _model, _schedule, guided, Evaluate(conditional), evaluations is null ? null : Evaluate(evaluations));

        RowNoise[] rowNoises = [.. rows.Select(row => new RowNoise(_model.NoiseSeed, row.NoiseKey))];
        Tensor Noise(int index) => CreateNoise(rowNoises, index);
        using var start = Noise(InitialNoise).DetachFromDisposeScope();

        using var x0 = Sampling.Sampler switch
        {
            Sampler.Ancestral => DdimSampler.Sample(denoiser, _schedule, _timesteps, start, eta: 1, Noise, visit),
            Sampler.Ddim => DdimSampler.Sample(denoiser, _schedule, _timesteps, start, Sampling.Eta, Noise, visit),
            Sampler.DpmSolver => DpmSolverSampler.Sample(denoiser, _schedule, _timesteps, start, visit),
            _ => throw new UnreachableException($"{Sampling.Sampler}"),
        };
        return Pixels(x0);

        StepEmbeddings Prepare(long[] labels)
        {
            using var turn = Enter(cancellationToken);
            return network.Prepare(_noises, labels);
        }

        GuidedDenoiser.Evaluation Evaluate(StepEmbeddings embeddings) =>
            (xt, step) => this.Evaluate(network, embeddings, xt, step, cancellationToken);
    }

    private InferenceUNet GetNetwork(CancellationToken cancellationToken)
    {
        using var turn = Enter(cancellationToken);
        return Shared.GetInferenceNetwork(TorchDevice.ChooseDataType(Sampling.Precision, Shared.Device));
    }

    private Tensor Evaluate(
        InferenceUNet network, StepEmbeddings embeddings, Tensor xt, int step, CancellationToken cancellationToken)
    {
        using var turn = Enter(cancellationToken);
        Shared.Evaluating?.Invoke((int)xt.shape[0]);
        using var exact = Float32Math.Exact(Shared.Device);
        return network.Forward(xt, embeddings, step);
    }

    /// <summary>Waits for the device, unless the generation has to end.</summary>
    private DeviceGate.Turn Enter(CancellationToken cancellationToken) =>
        Shared.Gate.Enter(CheckCanContinue, cancellationToken);

    /// <summary>Returns what passes the steps of a batch on as reports.</summary>
    private Action<int, Tensor> CreateVisitor(
        Action<GenerationProgress> report, int batch, int batches, int firstImage, CancellationToken cancellationToken)
    {
        var steps = 0;
        return (t, xt) =>
        {
            cancellationToken.ThrowIfCancellationRequested();

            // The tensor lives as long as the report, which may ask for images on another thread.
            var reading = new Lock();
            var isReported = true;
            try
            {
                report(new(() => PixelConversion.ToImages([Read()], Shape.ToImageShape()))
                {
                    Step = ++steps,
                    Steps = Steps,
                    BatchNumber = batch + 1,
                    Batches = batches,
                    FirstImage = firstImage,
                    Timestep = t,
                });
            }
            finally
            {
                lock (reading) isReported = false;
            }

            float[] Read()
            {
                lock (reading)
                {
                    return isReported ? Pixels(xt) : throw new InvalidOperationException(
                        "The images of this step are gone: ask for them while its progress is being reported.");
                }
            }
        };
    }

    /// <summary>Returns the noise of a batch with the given index, (B, C, H, W).</summary>
    private Tensor CreateNoise(RowNoise[] rows, int index)
    {
        using var scope = NewDisposeScope();
        var values = RowNoise.Create(rows, Shape.Pixels, index);
        var noise = empty(rows.Length, Shape.Channels, Shape.Height, Shape.Width, ScalarType.Float32, CPU);
        values.CopyTo(MemoryMarshal.Cast<byte, float>(noise.bytes));
        return noise.to(Shared.Device).MoveToOuterDisposeScope();
    }

    private void CheckCanContinue()
    {
        _checkAlive();
        _lifetime.CheckNotDisposed();
    }

    private static float[] Pixels(Tensor x)
    {
        using var scope = NewDisposeScope();
        return x.contiguous().cpu().data<float>().ToArray();
    }
}
