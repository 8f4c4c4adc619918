using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// A block of the network: two 3x3 convolutions, each followed by batch norm and ReLU. The time and label embedding, v,
/// is added to the block's input. Inputs and outputs have the data type of the convolutions.
/// </summary>
internal static class ConvBlock
{
    /// <summary>Applies the block.</summary>
    /// <param name="weights">The block's weights. Training updates the running statistics in place.</param>
    /// <param name="x">The input, (B, Cin, H, W).</param>
    /// <param name="v">The time and label embedding, (B, D).</param>
    /// <param name="training">Whether to normalize by the batch's statistics rather than by the running ones.</param>
    /// <returns>(B, Cout, H, W).</returns>
    public static Tensor Forward(BlockWeights weights, Tensor x, Tensor v, bool training)
    {
        using var scope = NewDisposeScope();
        var input = x + Embed(weights, v);                                                  // B Cin H W
        return Convolve(weights, [input], training).MoveToOuterDisposeScope();
    }

    /// <summary>Halves height and width, and applies the block.</summary>
    /// <inheritdoc cref="Forward"/>
    /// <returns>(B, Cout, H/2, W/2).</returns>
    public static Tensor ForwardPooled(BlockWeights weights, Tensor x, Tensor v, bool training)
    {
        using var scope = NewDisposeScope();
        var input = functional.max_pool2d(x, 2).add_(Embed(weights, v));                    // B Cin H/2 W/2
        return Convolve(weights, [input], training).MoveToOuterDisposeScope();
    }

    /// <summary>Joins the activations from below with those of the encoder, and applies the block.</summary>
    /// <param name="weights">The block's weights. Training updates the running statistics in place.</param>
    /// <param name="below">Activations from below, (B, Cbelow, H/2, W/2).</param>
    /// <param name="skip">Activations of the encoder, (B, Cin - Cbelow, H, W).</param>
    /// <param name="v">The time and label embedding, (B, D).</param>
    /// <param name="training">Whether to normalize by the batch's statistics rather than by the running ones.</param>
    /// <returns>(B, Cout, H, W).</returns>
    public static Tensor ForwardJoined(BlockWeights weights, Tensor below, Tensor skip, Tensor v, bool training)
    {
        using var scope = NewDisposeScope();
        var parts = SkipConnection.Join(below, skip, Embed(weights, v));                    // each b Cin H W
        return Convolve(weights, parts, training).MoveToOuterDisposeScope();
    }

    /// <summary>Returns what to add to every pixel of the block's input.</summary>
    private static Tensor Embed(BlockWeights weights, Tensor v)
    {
        using var scope = NewDisposeScope();
        var e = weights.Embedding.Forward(v).to(weights.Convolution1.Weight.dtype);         // B Cin
        return e.unsqueeze(2).unsqueeze(3).MoveToOuterDisposeScope();                       // B Cin 1 1
    }

    /// <summary>Applies the convolutions to parts of a batch, and returns the output of the whole batch.</summary>
    private static Tensor Convolve(BlockWeights weights, Tensor[] parts, bool training)
    {
        using var scope = NewDisposeScope();

        var kernels = ChannelLayout.Kernels(ChannelLayout.PadSingleChannel(weights.Convolution1.Weight), parts[0]);
        Tensor[] outputs =
        [
            .. parts.Select(part => functional.conv2d(
                ChannelLayout.ChannelsLast(ChannelLayout.PadSingleChannel(part)),
                kernels,
                weights.Convolution1.Bias,
                padding: [1, 1])),
        ];
        var x = ChannelLayout.ChannelsLast(outputs is [var only] ? only : cat(outputs));    // B Cout H W
        x = Normalize(weights.Norm1, x, training).relu_();

        kernels = ChannelLayout.Kernels(weights.Convolution2.Weight, x);
        x = functional.conv2d(x, kernels, weights.Convolution2.Bias, padding: [1, 1]);
        x = Normalize(weights.Norm2, x, training).relu_();
        return x.MoveToOuterDisposeScope();
    }

    private static Tensor Normalize(BatchNormWeights norm, Tensor x, bool training)
    {
        if (!training || x.numel() > x.shape[1])
            return functional.batch_norm(x, norm.Mean, norm.Variance, norm.Weight, norm.Bias, training);

        // A batch of one image that is a single pixel here has no variance, and would make the running one NaN. It
        // leaves the running statistics as they are.
        using var mean = norm.Mean.clone();
        using var variance = norm.Variance.clone();
        return functional.batch_norm(x, mean, variance, norm.Weight, norm.Bias, training);
    }
}
