using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// What the network cannot beat: its 3x3 convolutions alone, each by itself on tensors that are there already, in a training step forward
/// and backward, in an evaluation forward.
/// </summary>
internal sealed class ConvolutionCeiling(int batchSize, ScalarType type, bool training)
{
    private static readonly (int Input, int Output, int Size)[] Layers =
    [
        (1, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8), (384, 128, 16), (128, 128, 16), (192, 64, 32), (64, 64, 32),
    ];

    /// <summary>Operations, multiply and add counted as two: forward, and backward to the input (but the first layer's) and the weights.</summary>
    public double Operations => Layers.Sum(layer => (!training ? 1.0 : layer.Input == 1 ? 2.0 : 3.0) * 2 * batchSize * layer.Input * layer.Output * 9 * layer.Size * layer.Size);

    /// <summary>Seconds of the convolutions, as a mean of so many times.</summary>
    public double Measure(int times = 1) => Layers.Sum(layer =>
    {
        using var scope = NewDisposeScope();
        using var mode = set_grad_enabled(training);
        var needsInputGradient = training && layer.Input > 1;
        var x = rand(batchSize, layer.Size, layer.Size, layer.Input).to(type).permute(0, 3, 1, 2).requires_grad_(needsInputGradient);
        var weight = rand(layer.Output, 3, 3, layer.Input).to(type).permute(0, 3, 1, 2).requires_grad_(training);
        var bias = rand(layer.Output).to(type).requires_grad_(training);
        var gradient = rand(batchSize, layer.Size, layer.Size, layer.Output).to(type).permute(0, 3, 1, 2);
        return Rounds.Time(times, () =>
        {
            using var y = functional.conv2d(x, weight, bias, padding: [1, 1]);
            if (training) autograd.grad([y], needsInputGradient ? [x, weight, bias] : [weight, bias], [gradient]);
        });
    });
}
