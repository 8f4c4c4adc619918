using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// A trained <see cref="ConditionalUNet"/> for sampling. The batch norms are folded into the convolutions, the
/// embeddings are computed once in a run, and everything is in one data type and in channels-last layout. It shares the
/// embeddings' weights with the network that it is created from. It is for one thread at a time, that which has the
/// device (<see cref="DeviceGate"/>): several runs of a sampler may use it in turns, each with embeddings of its own.
/// </summary>
/// <remarks>
/// On a CPU with oneDNN an image's output is the same to the bit in every batch, at every place in it and with any
/// number of threads (measured with AVX-512 and with AMX, in both data types, in batches of 1 to 64). Elsewhere, as on
/// a GPU, the batch size chooses the kernels, and the output is the same up to rounding.
/// </remarks>
internal sealed class InferenceUNet : IDisposable
{
    private readonly UNetShape _shape;
    private readonly ScalarType _type;
    private readonly long _mostRows;
    private readonly int _channels; // of the image as the first block sees it
    private readonly PaddedChannels _image;
    private readonly List<IFusedBlock> _blocks = [];
    private readonly long[] _embeddedSizes;
    private readonly FusedConvolution _output;
    private readonly EmbeddingWeights _embedding;

    private InferenceUNet(ConditionalUNet network, ScalarType type, bool pack)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var shape = network.Shape;
        var weights = UNetWeights.From(shape, network.StateDict().Select(tensor => tensor.Values));
        var isCpu = network.Device.type == DeviceType.CPU;
        var isPacked = pack && isCpu && FusedConvolution.CanPack(type);

        var side = shape.Form.Stem;
        _channels = shape.Channels * side * side;
        _image = new([_channels], PaddedChannels.Image);
        foreach (var ((_, place), block) in shape.Places().Zip(weights.Blocks))
        {
            var inputs = _blocks.Count == 0 ? _image : Features(place.Inputs);
            var format = new ConvolutionFormat(
                shape.Height / place.Scale, shape.Width / place.Scale, type, isPacked);
            _blocks.Add(block.Fuse(inputs, Features([place.Outputs]), format));
        }

        _embeddedSizes = [.. _blocks.Select(block => (long)block.EmbeddedSize)];
        _output = new(
            weights.Output,
            Features([shape.Widths[0]]),
            Features([_channels]),
            new(shape.Height / side, shape.Width / side, type, isPacked));
        _embedding = weights.Embedding.Keep();

        _shape = shape;
        _type = type;
        _mostRows = TorchDevice.ChooseRows(
            network.Device, shape.LargestActivation * (type == ScalarType.Float32 ? 4 : 2));

        PaddedChannels Features(IReadOnlyList<int> parts) =>
            new([.. parts], isPacked ? PaddedChannels.Feature : channels => channels);
    }

    /// <summary>Prepares a network for sampling: it computes as in evaluation mode.</summary>
    /// <param name="network">The network. It may be disposed before the result.</param>
    /// <param name="type">
    /// Data type of the convolutions and of the activations between them: float32 or bfloat16.
    /// </param>
    /// <param name="pack">
    /// Whether to pack the weights where that is possible (see <see cref="ConvolutionFormat"/>). Tests of what other
    /// devices do pass false.
    /// </param>
    public static InferenceUNet Create(ConditionalUNet network, ScalarType type, bool pack = true) =>
        new(network, type, pack);

    /// <summary>Computes the embeddings that <see cref="Forward"/> needs in a run of a sampler.</summary>
    /// <param name="noises">The noise of each step, in the terms of the architecture.</param>
    /// <param name="labels">
    /// The row of the label table for each image of the batch; negative for no label (<see cref="LabelRow.None"/>).
    /// </param>
    public StepEmbeddings Prepare(IReadOnlyList<float> noises, ReadOnlySpan<long> labels)
    {
        using var noGrad = no_grad();
        return new(_embedding, _blocks, noises, labels, _type);
    }

    /// <summary>Predicts what the network is trained to predict of x_t: the noise or the velocity.</summary>
    /// <param name="x">x_t, float32 (B, C, H, W). It is not changed.</param>
    /// <param name="embeddings">The result of <see cref="Prepare"/> for the same B.</param>
    /// <param name="step">The index of the noise among those given to <see cref="Prepare"/>.</param>
    /// <returns>The prediction, float32 (B, C, H, W).</returns>
    public Tensor Forward(Tensor x, StepEmbeddings embeddings, int step)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var exact = Float32Math.Exact(x.device);
        var parts = 1 + (x.shape[0] - 1) / _mostRows;
        var e = embeddings[step].unsqueeze(2).unsqueeze(3);                                 // B sum 1 1
        var predictions = x.chunk(parts).Zip(e.chunk(parts), ForwardPart).ToArray();
        return (parts == 1 ? predictions[0] : cat(predictions)).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var block in _blocks) block.Dispose();
        _output.Dispose();
        _embedding.Dispose();
    }

    private Tensor ForwardPart(Tensor x, Tensor embeddings)
    {
        using var scope = NewDisposeScope();
        var e = embeddings.split(_embeddedSizes, 1);
        var side = _shape.Form.Stem;
        x = _image.Pad(PixelSquares.ToChannels(x, side), 1);                                // B C H W
        var y = _shape.Form.Apply(
            x,
            _shape.Widths.Count,
            (number, x, skip, pools) => _blocks[number].Forward(new(x, skip, pools), e[number]));
        y = _output.ForwardLinear(y).narrow(1, 0, _channels).to(ScalarType.Float32);        // B C H W
        return PixelSquares.ToPixels(y, side).contiguous().MoveToOuterDisposeScope();
    }
}
