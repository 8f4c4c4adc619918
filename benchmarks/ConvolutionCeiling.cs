using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Measures a bound that the network cannot beat: its 3x3 convolutions alone, each by itself on tensors that exist
/// already. A training step runs them forward and backward, an evaluation only forward.
/// </summary>
internal sealed class ConvolutionCeiling(int batchSize, ScalarType type, bool training)
{
    private static readonly (int Input, int Output, int Size)[] Layers =
    [
        (1, 64, 32),
        (64, 64, 32),
        (64, 128, 16),
        (128, 128, 16),
        (128, 256, 8),
        (256, 256, 8),
        (384, 128, 16),
        (128, 128, 16),
        (192, 64, 32),
        (64, 64, 32),
    ];

    /// <summary>
    /// The number of operations; a multiplication and an addition count as two. The backward pass computes the
    /// gradients of the weights and, except in the first layer, of the input.
    /// </summary>
    public double Operations => Layers.Sum(layer =>
    {
        var passes = !training ? 1.0 : layer.Input == 1 ? 2.0 : 3.0;
        return passes * 2 * batchSize * layer.Input * layer.Output * 9 * layer.Size * layer.Size;
    });

    /// <summary>Returns the seconds that the convolutions take, as a mean of <paramref name="times"/> runs.</summary>
    public double Measure(int times = 1) => Layers.Sum(layer =>
    {
        using var scope = NewDisposeScope();
        using var mode = set_grad_enabled(training);
        var needsInputGradient = training && layer.Input > 1;

        Tensor ChannelsLast(int count, int size, int channels) =>
            rand(count, size, size, channels).to(type).permute(0, 3, 1, 2);

        var x = ChannelsLast(batchSize, layer.Size, layer.Input).requires_grad_(needsInputGradient);
        var weight = ChannelsLast(layer.Output, 3, layer.Input).requires_grad_(training);
        var bias = rand(layer.Output).to(type).requires_grad_(training);
        var gradient = ChannelsLast(batchSize, layer.Size, layer.Output);

        return Rounds.Time(times, () =>
        {
            using var y = functional.conv2d(x, weight, bias, padding: [1, 1]);
            if (training) autograd.grad([y], needsInputGradient ? [x, weight, bias] : [weight, bias], [gradient]);
        });
    });
}
