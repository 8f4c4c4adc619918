using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet;

/// <summary>Draws pictures with a trained network. Safe to use from several threads: one draws at a time, with every core.</summary>
/// <param name="network">The network, which is disposed with the generator.</param>
/// <param name="schedule">Its schedule.</param>
/// <param name="target">What it predicts.</param>
/// <param name="seed">Decides every row's noise, with what is known of the row.</param>
/// <param name="checkAlive">Called before each step; it throws to stop.</param>
internal sealed class ImageGenerator(
    ConditionalUNet network, NoiseSchedule schedule, PredictionTarget target, ulong seed, Action checkAlive) : IDisposable
{
    /// <summary>The step whose noise a picture starts from; the steps of the reverse loop count from 1.</summary>
    private const int Start = 0;

    private readonly Lock _lock = new();
    private bool _disposed;

    public UNetShape Shape => network.Shape;

    /// <summary>Shows the network, which nobody disposes meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public void Read(Action<ConditionalUNet> reader)
    {
        lock (_lock)
        {
            CheckNotDisposed();
            reader(network);
        }
    }

    /// <summary>Is told the number of pictures in a run of the reverse loop, before each. For tests.</summary>
    public Action<int>? Drawing { get; set; }

    /// <summary>Draws one picture for each label, in one run of the reverse loop.</summary>
    /// <param name="labels">Rows of the label table.</param>
    /// <param name="rows">For each, what its noise depends on.</param>
    /// <param name="visit">Sees every x_t on the way, t = T-1..0, as pixels [B, C, H, W].</param>
    /// <returns>Pixels [B, C, H, W], about in [-1, 1].</returns>
    /// <exception cref="ObjectDisposedException">The generator was disposed.</exception>
    public float[] Generate(ReadOnlySpan<int> labels, ReadOnlySpan<UInt128> rows, Action<int, Func<float[]>>? visit = null)
    {
        lock (_lock)
        {
            CheckNotDisposed();
            Drawing?.Invoke(labels.Length);
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var table = tensor([.. labels.ToArray().Select(label => (long)label)], device: network.Device);
            var noises = new RowNoise[rows.Length];
            for (var i = 0; i < rows.Length; i++) noises[i] = new(seed, rows[i]);

            Tensor Noise(int step)
            {
                var noise = empty(noises.Length, Shape.Channels, Shape.Height, Shape.Width);
                var values = MemoryMarshal.Cast<byte, float>(noise.bytes);
                for (var i = 0; i < noises.Length; i++) noises[i].Fill(values.Slice(i * Shape.Pixels, Shape.Pixels), step);
                return noise.to(network.Device);
            }

            Tensor Denoise(Tensor x, int t)
            {
                checkAlive();
                CheckNotDisposed(); // by the visitor, which has the lock
                return PredictedNoise(network.Forward(x, full([noises.Length], t, ScalarType.Int64, network.Device), table), x, t);
            }

            var timesteps = ReverseLoop.Timesteps(schedule, StepSpacing.Uniform, schedule.Timesteps);
            return Pixels(DdimSampler.Sample(
                Denoise, schedule, timesteps, Noise(Start), eta: 1, Noise, visit is null ? null : (t, x) => visit(t, () => Pixels(x))));
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            network.Dispose();
        }
    }

    /// <summary>eps = sqrt(alpha_bar_t) v + sqrt(1 - alpha_bar_t) x_t (Salimans and Ho 2022, arXiv 2202.00512, appendix D).</summary>
    private Tensor PredictedNoise(Tensor prediction, Tensor x, int t)
    {
        if (target == PredictionTarget.Noise) return prediction;
        var alphaBar = schedule.AlphaBar(t);
        return Math.Sqrt(alphaBar) * prediction + Math.Sqrt(1 - alphaBar) * x;
    }

    private void CheckNotDisposed() => ObjectDisposedException.ThrowIf(_disposed, typeof(ConditionalDiffusionTransformer));

    private static float[] Pixels(Tensor x)
    {
        using var scope = NewDisposeScope();
        return x.contiguous().cpu().data<float>().ToArray();
    }
}
