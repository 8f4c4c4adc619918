using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>The weights of a convolution.</summary>
/// <param name="Weight">The kernels, (Cout, Cin, kH, kW).</param>
/// <param name="Bias">The bias, (Cout).</param>
internal readonly record struct ConvolutionWeights(Tensor Weight, Tensor Bias)
{
    /// <summary>Takes the next convolution's tensors.</summary>
    public static ConvolutionWeights Take(Queue<Tensor> tensors) => new(tensors.Dequeue(), tensors.Dequeue());

    /// <summary>Applies a 3x3 convolution.</summary>
    /// <param name="x">(B, Cin, H, W).</param>
    /// <returns>(B, Cout, H, W), in channels-last layout.</returns>
    public Tensor Forward(Tensor x) => ChannelLayout.Convolve(x, Weight, Bias);

    /// <summary>Applies a 1x1 convolution, as a matrix product (see <see cref="ChannelLayout"/>).</summary>
    /// <param name="x">(B, Cin, H, W), in channels-last layout.</param>
    /// <returns>(B, Cout, H, W), in channels-last layout.</returns>
    public Tensor Project(Tensor x)
    {
        var rows = x.permute(0, 2, 3, 1);                                                   // B H W Cin
        return functional.linear(rows, Weight.flatten(1), Bias).permute(0, 3, 1, 2);
    }
}

/// <summary>The weights and the running statistics of a batch norm, each (C).</summary>
/// <param name="Weight">Scale after the normalization.</param>
/// <param name="Bias">Offset after the normalization.</param>
/// <param name="Mean">Running mean.</param>
/// <param name="Variance">Running variance.</param>
internal readonly record struct BatchNormWeights(Tensor Weight, Tensor Bias, Tensor Mean, Tensor Variance)
{
    /// <summary>Takes the next batch norm's tensors.</summary>
    public static BatchNormWeights Take(Queue<Tensor> tensors) =>
        new(tensors.Dequeue(), tensors.Dequeue(), tensors.Dequeue(), tensors.Dequeue());

    /// <summary>Applies the batch norm. Training updates the running statistics in place.</summary>
    /// <param name="x">(B, C, H, W).</param>
    /// <param name="training">Whether to normalize by the batch's statistics rather than by the running ones.</param>
    public Tensor Forward(Tensor x, bool training)
    {
        if (!training || x.numel() > x.shape[1])
            return functional.batch_norm(x, Mean, Variance, Weight, Bias, training);

        // A batch of one image that is a single pixel here has no variance, and would make the running one NaN. It
        // leaves the running statistics as they are.
        using var mean = Mean.clone();
        using var variance = Variance.clone();
        return functional.batch_norm(x, mean, variance, Weight, Bias, training);
    }
}

/// <summary>The weights of a linear layer.</summary>
/// <param name="Weight">The matrix, (outputs, inputs).</param>
/// <param name="Bias">The bias, (outputs).</param>
internal readonly record struct LinearWeights(Tensor Weight, Tensor Bias) : IDisposable
{
    /// <summary>Takes the next linear layer's tensors.</summary>
    public static LinearWeights Take(Queue<Tensor> tensors) => new(tensors.Dequeue(), tensors.Dequeue());

    /// <summary>Applies the layer.</summary>
    public Tensor Forward(Tensor x) => functional.linear(x, Weight, Bias);

    /// <summary>Returns the same tensors, which live until they are disposed.</summary>
    public LinearWeights Keep() => new(Weight.DetachFromDisposeScope(), Bias.DetachFromDisposeScope());

    public void Dispose()
    {
        Weight.Dispose();
        Bias.Dispose();
    }
}

/// <summary>The weights of two linear layers with a ReLU between them.</summary>
/// <param name="First">The layer before the ReLU.</param>
/// <param name="Second">The layer after the ReLU.</param>
internal readonly record struct MlpWeights(LinearWeights First, LinearWeights Second) : IDisposable
{
    /// <summary>Applies both layers.</summary>
    public Tensor Forward(Tensor x) => Second.Forward(First.Forward(x).relu_());

    public void Dispose()
    {
        First.Dispose();
        Second.Dispose();
    }
}
