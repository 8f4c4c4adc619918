using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet;

/// <summary>Draws pictures with a trained network. Safe to use from several threads: one draws at a time, with every core.</summary>
internal sealed class ImageGenerator(ConditionalUNet network, NoiseSchedule schedule, ulong seed) : IDisposable
{
    /// <summary>The step whose noise a picture starts from; the steps of the reverse loop count from 1.</summary>
    private const int Start = 0;

    private readonly Lock _lock = new();
    private bool _disposed;

    public UNetShape Shape => network.Shape;

    public ConditionalUNet Network => network;

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
            ObjectDisposedException.ThrowIf(_disposed, typeof(ConditionalDiffusionTransformer));
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

            var x = AncestralSampler.Sample(
                (x, t) => network.Forward(x, full([noises.Length], t, ScalarType.Int64, network.Device), table),
                schedule, Noise(Start), Noise, visit is null ? null : (t, x) => visit(t, () => Pixels(x)));
            using (x) return Pixels(x);
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

    private static float[] Pixels(Tensor x)
    {
        using var scope = NewDisposeScope();
        return x.contiguous().cpu().data<float>().ToArray();
    }
}
