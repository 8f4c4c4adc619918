using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Measures a bound that a network cannot beat: the convolutions of its blocks alone, each by itself on tensors that
/// exist already. A training step runs them forward and backward, an evaluation only forward.
/// </summary>
internal sealed class ConvolutionCeiling(UNetShape shape, int batchSize, ScalarType type, bool training)
{
    private readonly Layer[] _layers = [.. Layers(shape)];

    /// <summary>
    /// The number of operations; a multiplication and an addition count as two. The backward pass computes the
    /// gradients of the weights and, except in the first block, of the input.
    /// </summary>
    public double Operations => _layers.Sum(layer =>
    {
        var passes = !training ? 1.0 : layer.SeesImage ? 2.0 : 3.0;
        var pixels = (double)layer.Height * layer.Width;
        return passes * 2 * batchSize * layer.Input * layer.Output * layer.Side * layer.Side * pixels;
    });

    /// <summary>Returns the seconds that the convolutions take, as a mean of <paramref name="times"/> runs.</summary>
    public double Measure(int times = 1) => _layers.Sum(layer =>
    {
        using var scope = NewDisposeScope();
        using var mode = set_grad_enabled(training);
        var needsInputGradient = training && !layer.SeesImage;

        Tensor ChannelsLast(long count, long height, long width, long channels) =>
            rand(count, height, width, channels).to(type).permute(0, 3, 1, 2);

        var x = ChannelsLast(batchSize, layer.Height, layer.Width, layer.Input).requires_grad_(needsInputGradient);
        var weight = ChannelsLast(layer.Output, layer.Side, layer.Side, layer.Input).requires_grad_(training);
        var bias = rand(layer.Output).to(type).requires_grad_(training);
        var gradient = ChannelsLast(batchSize, layer.Height, layer.Width, layer.Output);
        long[] padding = [layer.Side / 2, layer.Side / 2];

        return Rounds.Time(times, () =>
        {
            using var y = functional.conv2d(x, weight, bias, padding: padding);
            if (training) autograd.grad([y], needsInputGradient ? [x, weight, bias] : [weight, bias], [gradient]);
        });
    });

    private static IEnumerable<Layer> Layers(UNetShape shape) =>
        from block in shape.Places().Index()
        let place = block.Item.Place
        from tensor in block.Item.Kind.Tensors(place)
        where tensor.Shape.Length == 4
        let seesImage = block.Index == 0 && tensor.Shape[1] == place.Input
        select new Layer(
            tensor.Shape[1], tensor.Shape[0], tensor.Shape[2], shape.Height / place.Scale, shape.Width / place.Scale,
            seesImage);

    /// <summary>A convolution.</summary>
    /// <param name="Input">Channels of the input.</param>
    /// <param name="Output">Channels of the output.</param>
    /// <param name="Side">Side of the kernels.</param>
    /// <param name="Height">Height of the input.</param>
    /// <param name="Width">Width of the input.</param>
    /// <param name="SeesImage">Whether the input is the image, which needs no gradient.</param>
    private sealed record Layer(long Input, long Output, long Side, long Height, long Width, bool SeesImage);
}
