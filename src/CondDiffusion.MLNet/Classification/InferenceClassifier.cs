using CondDiffusion.MLNet.Network;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Classification;

/// <summary>
/// A trained <see cref="ClassifierNetwork"/> for inference: the batch norms are folded into the convolutions. It
/// computes in float32, so that an image has the same scores and features everywhere, up to rounding.
/// </summary>
internal sealed class InferenceClassifier : IDisposable
{
    private readonly PaddedChannels _image;
    private readonly FusedConvolution[][] _blocks;
    private readonly LinearWeights _features;
    private readonly LinearWeights _logits;
    private readonly int _lastWidth;
    private readonly long _mostRows;

    /// <param name="network">The network.</param>
    /// <param name="pack">Whether to pack the weights where that is possible.</param>
    public InferenceClassifier(ClassifierNetwork network, bool pack = true)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var shape = network.Shape;
        var weights = ClassifierWeights.From(shape, network.StateDict().Select(tensor => tensor.Values));
        var isCpu = network.Device.type == DeviceType.CPU;
        var isPacked = pack && isCpu && FusedConvolution.CanPack(ScalarType.Float32);

        PaddedChannels Features(int channels) => new([channels], isPacked ? PaddedChannels.Feature : count => count);

        _image = new([shape.Channels], PaddedChannels.Image);
        var inputs = _image;
        _blocks = new FusedConvolution[shape.Widths.Count][];
        for (var block = 0; block < _blocks.Length; block++)
        {
            var outputs = Features(shape.Widths[block]);
            var height = ClassifierShape.After(block, shape.Height);
            var width = ClassifierShape.After(block, shape.Width);
            var format = new ConvolutionFormat(height, width, ScalarType.Float32, isPacked);
            _blocks[block] = new FusedConvolution[shape.Convolutions];
            for (var i = 0; i < shape.Convolutions; i++)
            {
                var (convolution, norm) = weights.Blocks[block][i];
                _blocks[block][i] = new(convolution, norm, inputs, outputs, format);
                inputs = outputs;
            }
        }

        _features = Copy(weights.Features);
        _logits = Copy(weights.Logits);
        _lastWidth = shape.Widths[^1];
        _mostRows = TorchDevice.ChooseRows(network.Device, shape.LargestActivation * sizeof(float));
    }

    /// <summary>Computes the probabilities of the labels and the features of images.</summary>
    /// <param name="x">The images, float32 (B, C, H, W).</param>
    /// <returns>The probabilities and then the features of each image, (B, labels + F).</returns>
    public Tensor Forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var exact = Float32Math.Exact(x.device);
        var parts = x.chunk(1 + (x.shape[0] - 1) / _mostRows).Select(ForwardPart).ToArray();
        return (parts.Length == 1 ? parts[0] : cat(parts)).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var convolution in _blocks.SelectMany(block => block)) convolution.Dispose();
        _features.Weight.Dispose();
        _features.Bias.Dispose();
        _logits.Weight.Dispose();
        _logits.Bias.Dispose();
    }

    private Tensor ForwardPart(Tensor x)
    {
        using var scope = NewDisposeScope();
        var y = ChannelLayout.ChannelsLast(_image.Pad(x, 1));
        foreach (var block in _blocks)
        {
            foreach (var convolution in block) Replace(convolution.Forward(y));             // B Wi Hi Wi
            Replace(ClassifierNetwork.Pool(y));                                             // B Wi Hi/2 Wi/2
        }

        y = y.narrow(1, 0, _lastWidth).flatten(1);                                          // B W H' W'
        var features = _features.Forward(y).relu_();                                        // B F
        var probabilities = functional.softmax(_logits.Forward(features), 1);               // B labels
        return cat([probabilities, features], 1).MoveToOuterDisposeScope();

        // Of larger images, a few activations fill the memory.
        void Replace(Tensor next)
        {
            y.Dispose();
            y = next;
        }
    }

    private static LinearWeights Copy(LinearWeights layer) =>
        new(layer.Weight.clone().DetachFromDisposeScope(), layer.Bias.clone().DetachFromDisposeScope());
}
