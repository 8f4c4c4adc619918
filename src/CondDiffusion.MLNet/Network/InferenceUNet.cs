using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// A trained <see cref="ConditionalUNet"/> as it draws: batch norms folded into the convolutions, embeddings computed once a run, everything
/// in one number format with the channels of a pixel side by side. It shares the embeddings' weights with that network. For one thread at
/// a time.
/// </summary>
/// <remarks>
/// On a CPU with oneDNN an image's output is the same to the bit in every batch, at every place in it and with any number of threads (measured
/// with AVX-512, both formats, batches of 1 to 64). Elsewhere, as on a GPU, the batch size chooses the kernels, and it is the same up to rounding.
/// </remarks>
internal sealed class InferenceUNet : IDisposable
{
    /// <summary>
    /// Bytes of the largest activation that a CPU computes at a time: so much stays in its cache, and what is freed is kept for the next
    /// one rather than given back to the system, as above 32 MB.
    /// </summary>
    private const long MostBytes = 12 << 20;

    private readonly UNetShape _shape;
    private readonly ScalarType _type;
    private readonly long _mostRows;
    private readonly long[] _inputs; // channels of each tensor that an embedding is added to
    private readonly PaddedChannels _image;
    private readonly FusedConvolution[] _convolutions;
    private readonly Tensor[] _embeddingLayers;
    private readonly Tensor _labels, _outWeight, _outBias;

    private InferenceUNet(ConditionalUNet network, ScalarType type, bool pack)
    {
        (_shape, _type) = (network.Shape, type);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var tensors = network.StateDict().ToLookup(tensor => tensor.Entry.IsBuffer, tensor => tensor.Values);
        Tensor[] parameters = [.. tensors[false]], buffers = [.. tensors[true]];
        pack &= FusedConvolution.CanPack && network.Device.type == DeviceType.CPU;

        PaddedChannels Channels(params int[] parts) => new(parts, pack ? PaddedChannels.Feature : channels => channels);
        var (w0, w1, w2) = (_shape.Widths[0], _shape.Widths[1], _shape.Widths[2]);
        var image = new PaddedChannels([_shape.Channels], PaddedChannels.Image);
        (PaddedChannels Inputs, PaddedChannels Outputs, int Scale)[] blocks =
        [
            (image, Channels(w0), 1), (Channels(w0), Channels(w1), 2), (Channels(w1), Channels(w2), 4),
            (Channels(w2, w1), Channels(w1), 2), (Channels(w1, w0), Channels(w0), 1),
        ];
        _inputs = [.. blocks.SelectMany(block => block.Inputs.Sizes)];
        _image = image;
        _convolutions = [.. blocks.SelectMany((block, i) => new[] { (block.Inputs, First: 0), (Inputs: block.Outputs, First: 1) }.Select(half =>
            new FusedConvolution(
                parameters.AsSpan(i * ConvBlock.Parameters + half.First * 4, 4), buffers.AsSpan(i * ConvBlock.Buffers + half.First * 2, 2),
                _shape.Height / block.Scale, _shape.Width / block.Scale, half.Inputs, block.Outputs, type, pack)))];
        _embeddingLayers = [.. blocks.SelectMany((block, i) =>
        {
            var layers = parameters.AsSpan(i * ConvBlock.Parameters + 8, 4);
            return new[] { layers[0], layers[1], block.Inputs.Pad(layers[2], 0), block.Inputs.Pad(layers[3], 0) };
        }).Select(tensor => tensor.DetachFromDisposeScope())];
        _outWeight = blocks[^1].Outputs.Pad(parameters[^3], 1).to(type, copy: true).flatten(1).DetachFromDisposeScope(); // C W0
        _outBias = parameters[^2].to(type, copy: true).DetachFromDisposeScope();             // C
        _labels = parameters[^1].DetachFromDisposeScope();                                   // labels D

        var rowBytes = (_shape.Widths[0] + _shape.Widths[1]) * _shape.Height * (long)_shape.Width * (type == ScalarType.Float32 ? 4 : 2);
        _mostRows = network.Device.type == DeviceType.CPU ? Math.Max(1, MostBytes / rowBytes) : long.MaxValue;
    }

    /// <summary>The network's evaluation mode in <paramref name="type"/>, float32 or bfloat16.</summary>
    /// <param name="network">The network; it may be disposed before this one.</param>
    /// <param name="type">Of the convolutions and the activations between them.</param>
    /// <param name="pack">See <see cref="FusedConvolution"/>; false is for tests of what other devices do.</param>
    public static InferenceUNet Create(ConditionalUNet network, ScalarType type, bool pack = true) => new(network, type, pack);

    /// <summary>What <see cref="Forward"/> needs for a run of a sampler.</summary>
    /// <param name="timesteps">The timesteps, 1..T, in the order of the steps.</param>
    /// <param name="labels">For each image of the batch a row of the label table; negative for none.</param>
    public StepEmbeddings Prepare(IReadOnlyList<int> timesteps, ReadOnlySpan<long> labels)
    {
        using var noGrad = no_grad();
        return new(_embeddingLayers, _labels, timesteps, labels, _type);
    }

    /// <summary>Predicts the noise.</summary>
    /// <param name="x">x_t, (B, C, H, W), float32; left as it is.</param>
    /// <param name="embeddings">From <see cref="Prepare"/>, for the same B.</param>
    /// <param name="step">The index of t in its timesteps.</param>
    /// <returns>(B, C, H, W), float32.</returns>
    public Tensor Forward(Tensor x, StepEmbeddings embeddings, int step)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var parts = 1 + (x.shape[0] - 1) / _mostRows;
        var e = embeddings[step].unsqueeze(2).unsqueeze(3).chunk(parts);                     // B sum(Cin) 1 1
        var predictions = x.chunk(parts).Zip(e, Part).ToArray();
        return (parts == 1 ? predictions[0] : cat(predictions)).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var convolution in _convolutions) convolution.Dispose();
        foreach (var layer in _embeddingLayers) layer.Dispose();
        _outWeight.Dispose();
        _outBias.Dispose();
        _labels.Dispose();
    }

    private Tensor Part(Tensor x, Tensor embeddings)
    {
        using var scope = NewDisposeScope();
        var e = embeddings.split(_inputs, 1);

        // The embedding is added before the upsampling, to a quarter of the values: upsampling keeps what is constant over an image.
        var x1 = Block(0, ConvBlock.ChannelsLast((_image.Pad(x, 1) + e[0]).to(_type)));                                                 // B W0 H W
        var x2 = Block(1, functional.max_pool2d(x1, 2).add_(e[1]));                          // B W1 H/2 W/2
        var y = Block(2, functional.max_pool2d(x2, 2).add_(e[2]));                           // B W2 H/4 W/4
        y = Block(3, cat([ConditionalUNet.Upsample(y.add_(e[3])), x2.add_(e[4])], 1));       // B W1 H/2 W/2
        y = Block(4, cat([ConditionalUNet.Upsample(y.add_(e[5])), x1.add_(e[6])], 1));       // B W0 H W
        y = functional.linear(y.permute(0, 2, 3, 1), _outWeight, _outBias);                  // B H W C
        return y.to(ScalarType.Float32).permute(0, 3, 1, 2).contiguous().MoveToOuterDisposeScope();
    }

    private Tensor Block(int index, Tensor x)
    {
        using var between = _convolutions[2 * index].Forward(x);
        return _convolutions[2 * index + 1].Forward(between);
    }
}
