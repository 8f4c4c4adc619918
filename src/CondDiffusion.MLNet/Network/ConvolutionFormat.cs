using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>What a <see cref="FusedConvolution"/> is prepared for.</summary>
/// <param name="Height">Height of the inputs.</param>
/// <param name="Width">Width of the inputs.</param>
/// <param name="Type">Data type of weights, inputs and outputs.</param>
/// <param name="Pack">
/// Whether to store the weights in oneDNN's own layout, where <see cref="FusedConvolution.CanPack"/> is true for the
/// type. It is done once rather than in every call, which saves 15 to 20% of the time for one image. The layout also
/// decides the kernel, which libtorch otherwise chooses by the batch size: with packed weights an image's output is the
/// same to the bit in every batch.
/// </param>
internal readonly record struct ConvolutionFormat(int Height, int Width, ScalarType Type, bool Pack);
