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

        Tensor[] outputs = [.. parts.Select(weights.Convolution1.Forward)];
        var x = outputs is [var only] ? only : cat(outputs);                                // B Cout H W
        x = weights.Norm1.Forward(x, training).relu_();
        x = weights.Norm2.Forward(weights.Convolution2.Forward(x), training).relu_();
        return x.MoveToOuterDisposeScope();
    }
}
