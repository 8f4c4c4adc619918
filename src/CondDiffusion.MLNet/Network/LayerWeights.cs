using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>The weights of a convolution.</summary>
/// <param name="Weight">The kernels, (Cout, Cin, kH, kW).</param>
/// <param name="Bias">The bias, (Cout).</param>
internal readonly record struct ConvolutionWeights(Tensor Weight, Tensor Bias);

/// <summary>The weights and the running statistics of a batch norm, each (C).</summary>
/// <param name="Weight">Scale after the normalization.</param>
/// <param name="Bias">Offset after the normalization.</param>
/// <param name="Mean">Running mean.</param>
/// <param name="Variance">Running variance.</param>
internal readonly record struct BatchNormWeights(Tensor Weight, Tensor Bias, Tensor Mean, Tensor Variance);

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
