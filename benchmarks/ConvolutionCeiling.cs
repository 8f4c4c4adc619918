using System.Diagnostics;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// What a training step cannot beat: its 3x3 convolutions alone, forward and backward, each by itself on tensors that are there already.
/// </summary>
internal sealed class ConvolutionCeiling(int batchSize, ScalarType type)
{
    private static readonly (int Input, int Output, int Size)[] Layers =
    [
        (1, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8), (384, 128, 16), (128, 128, 16), (192, 64, 32), (64, 64, 32),
    ];

    /// <summary>Operations of one step, multiply and add counted as two: forward, and backward to the input (but the first layer's) and the weights.</summary>
    public double Operations => Layers.Sum(layer => (layer.Input == 1 ? 2.0 : 3.0) * 2 * batchSize * layer.Input * layer.Output * 9 * layer.Size * layer.Size);

    /// <summary>Seconds of one step's convolutions.</summary>
    public double Measure() => Layers.Sum(layer =>
    {
        using var scope = NewDisposeScope();
        var needsInputGradient = layer.Input > 1;
        var x = rand(batchSize, layer.Size, layer.Size, layer.Input).to(type).permute(0, 3, 1, 2).requires_grad_(needsInputGradient);
        var weight = rand(layer.Output, layer.Input, 3, 3).to(type).requires_grad_();
        var bias = rand(layer.Output).to(type).requires_grad_();
        var gradient = rand(batchSize, layer.Size, layer.Size, layer.Output).to(type).permute(0, 3, 1, 2);
        var clock = Stopwatch.StartNew();
        var y = functional.conv2d(x, weight, bias, padding: [1, 1]);
        autograd.grad([y], needsInputGradient ? [x, weight, bias] : [weight, bias], [gradient]);
        return clock.Elapsed.TotalSeconds;
    });
}
