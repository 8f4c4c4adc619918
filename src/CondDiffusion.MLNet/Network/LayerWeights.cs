using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>The weights of a convolution.</summary>
/// <param name="Weight">The kernels, (Cout, Cin, kH, kW).</param>
/// <param name="Bias">The bias, (Cout).</param>
internal readonly record struct ConvolutionWeights(Tensor Weight, Tensor Bias)
{
    /// <summary>Applies a 3x3 convolution.</summary>
    /// <param name="x">(B, Cin, H, W).</param>
    /// <returns>(B, Cout, H, W), in channels-last layout.</returns>
    public Tensor Forward(Tensor x) => ChannelLayout.Convolve(x, Weight, Bias);
}

/// <summary>The weights and the running statistics of a batch norm, each (C).</summary>
/// <param name="Weight">Scale after the normalization.</param>
/// <param name="Bias">Offset after the normalization.</param>
/// <param name="Mean">Running mean.</param>
/// <param name="Variance">Running variance.</param>
internal readonly record struct BatchNormWeights(Tensor Weight, Tensor Bias, Tensor Mean, Tensor Variance)
{
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
internal readonly record struct LinearWeights(Tensor Weight, Tensor Bias)
{
    /// <summary>Applies the layer.</summary>
    public Tensor Forward(Tensor x) => functional.linear(x, Weight, Bias);
}

/// <summary>The weights of two linear layers with a ReLU between them.</summary>
/// <param name="First">The layer before the ReLU.</param>
/// <param name="Second">The layer after the ReLU.</param>
internal readonly record struct MlpWeights(LinearWeights First, LinearWeights Second)
{
    /// <summary>Applies both layers.</summary>
    public Tensor Forward(Tensor x) => Second.Forward(First.Forward(x).relu_());
}
