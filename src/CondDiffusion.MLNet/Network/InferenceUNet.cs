using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// A trained <see cref="ConditionalUNet"/> for sampling. The batch norms are folded into the convolutions, the
/// embeddings are computed once in a run, and everything is in one data type and in channels-last layout. It shares the
/// embeddings' weights with the network that it is created from. It is for one thread at a time, that which has the
/// device (<see cref="DeviceGate"/>): several runs of a sampler may use it in turns, each with embeddings of its own.
/// </summary>
/// <remarks>
/// On a CPU with oneDNN an image's output is the same to the bit in every batch, at every place in it and with any
/// number of threads (measured with AVX-512, in both data types, in batches of 1 to 64). Elsewhere, as on a GPU, the
/// batch size chooses the kernels, and the output is the same up to rounding.
/// </remarks>
internal sealed class InferenceUNet : IDisposable
{
    /// <summary>
    /// Maximum size of an activation on a CPU. One of this size stays in the cache, and the allocator keeps its memory
    /// for the next one, whereas it returns pieces of more than 32 MB to the system.
    /// </summary>
    private const long MostActivationBytes = 12 << 20;

    private readonly ScalarType _type;
    private readonly long _mostRows;
    private readonly long[] _embeddedChannels; // of each tensor that an embedding is added to
    private readonly FusedBlock _down1;
    private readonly FusedBlock _down2;
    private readonly FusedBlock _bottom;
    private readonly FusedBlock _up2;
    private readonly FusedBlock _up1;
    private readonly Tensor _outputWeight;
    private readonly Tensor _outputBias;
    private readonly Tensor _labels;

    private InferenceUNet(ConditionalUNet network, ScalarType type, bool pack)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var shape = network.Shape;
        var weights = UNetWeights.From(network.StateDict().Select(tensor => tensor.Values));
        var isCpu = network.Device.type == DeviceType.CPU;
        var isPacked = pack && isCpu && FusedConvolution.CanPack(type);

        PaddedChannels Features(params int[] parts) =>
            new(parts, isPacked ? PaddedChannels.Feature : channels => channels);
        ConvolutionFormat AtScale(int scale) =>
            new(shape.Height / scale, shape.Width / scale, type, isPacked);

        var w0 = shape.Widths[0];
        var w1 = shape.Widths[1];
        var w2 = shape.Widths[2];
        var image = new PaddedChannels([shape.Channels], PaddedChannels.Image);
        _down1 = new(weights.Down1, image, Features(w0), AtScale(1));
        _down2 = new(weights.Down2, Features(w0), Features(w1), AtScale(2));
        _bottom = new(weights.Bottom, Features(w1), Features(w2), AtScale(4));
        _up2 = new(weights.Up2, Features(w2, w1), Features(w1), AtScale(2));
        _up1 = new(weights.Up1, Features(w1, w0), Features(w0), AtScale(1));
        _embeddedChannels = [.. Blocks.SelectMany(block => block.Inputs.Sizes)];

        var outputWeight = Features(w0).Pad(weights.Output.Weight, 1).flatten(1);               // C W0
        _outputWeight = outputWeight.to(type, copy: true).DetachFromDisposeScope();
        _outputBias = weights.Output.Bias.to(type, copy: true).DetachFromDisposeScope();        // C
        _labels = weights.Labels.DetachFromDisposeScope();                                      // labels D

        _type = type;
        var rowBytes = (w0 + w1) * shape.Height * (long)shape.Width * (type == ScalarType.Float32 ? 4 : 2);
        _mostRows = isCpu ? Math.Max(1, MostActivationBytes / rowBytes) : long.MaxValue;
    }

    /// <summary>The blocks, in the order in which they are evaluated.</summary>
    private FusedBlock[] Blocks => [_down1, _down2, _bottom, _up2, _up1];

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
    /// <param name="timesteps">The timesteps, 1..T, in the order of the steps.</param>
    /// <param name="labels">
    /// The row of the label table for each image of the batch; negative for no label (<see cref="LabelRow.None"/>).
    /// </param>
    public StepEmbeddings Prepare(IReadOnlyList<int> timesteps, ReadOnlySpan<long> labels)
    {
        using var noGrad = no_grad();
        MlpWeights[] layers = [.. Blocks.Select(block => block.Embedding)];
        return new(layers, _labels, timesteps, labels, _type);
    }

    /// <summary>Predicts what the network is trained to predict of x_t: the noise or the velocity.</summary>
    /// <param name="x">x_t, float32 (B, C, H, W). It is not changed.</param>
    /// <param name="embeddings">The result of <see cref="Prepare"/> for the same B.</param>
    /// <param name="step">The index of t in the timesteps given to <see cref="Prepare"/>.</param>
    /// <returns>The prediction, float32 (B, C, H, W).</returns>
    public Tensor Forward(Tensor x, StepEmbeddings embeddings, int step)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var exact = Float32Math.Exact(x.device);
        var parts = 1 + (x.shape[0] - 1) / _mostRows;
        var e = embeddings[step].unsqueeze(2).unsqueeze(3);                                 // B sum(Cin) 1 1
        var predictions = x.chunk(parts).Zip(e.chunk(parts), ForwardPart).ToArray();
        return (parts == 1 ? predictions[0] : cat(predictions)).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _down1.Dispose();
        _down2.Dispose();
        _bottom.Dispose();
        _up2.Dispose();
        _up1.Dispose();
        _outputWeight.Dispose();
        _outputBias.Dispose();
        _labels.Dispose();
    }

    private Tensor ForwardPart(Tensor x, Tensor embeddings)
    {
        using var scope = NewDisposeScope();
        var e = embeddings.split(_embeddedChannels, 1);

        // Encoder
        x = (_down1.Inputs.Pad(x, 1) + e[0]).to(_type);                                     // B C H W
        var x1 = _down1.Forward(ChannelLayout.ChannelsLast(x));                             // B W0 H W
        var x2 = _down2.Forward(functional.max_pool2d(x1, 2).add_(e[1]));                   // B W1 H/2 W/2
        var y = _bottom.Forward(functional.max_pool2d(x2, 2).add_(e[2]));                   // B W2 H/4 W/4

        // Decoder. The embedding is added before the upsampling, to a quarter of the values: it is constant over an
        // image, so the upsampling keeps it.
        y = cat([SkipConnection.Upsample(y.add_(e[3])), x2.add_(e[4])], 1);
        y = _up2.Forward(y);                                                                // B W1 H/2 W/2
        y = cat([SkipConnection.Upsample(y.add_(e[5])), x1.add_(e[6])], 1);
        y = _up1.Forward(y);                                                                // B W0 H W
        y = functional.linear(y.permute(0, 2, 3, 1), _outputWeight, _outputBias);           // B H W C
        return y.to(ScalarType.Float32).permute(0, 3, 1, 2).contiguous().MoveToOuterDisposeScope();  // B C H W
    }
}
