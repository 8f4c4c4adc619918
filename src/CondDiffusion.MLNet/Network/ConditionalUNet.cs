using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>The U-Net that predicts the noise or the velocity in x_t from x_t, its noise and its label.</summary>
internal sealed class ConditionalUNet : FlatNetwork
{
    private ConditionalUNet(UNetShape shape, Device device)
        : base(shape.Tensors(), [shape.Channels, shape.Height, shape.Width], device) => Shape = shape;

    public UNetShape Shape { get; }

    /// <inheritdoc/>
    /// <remarks>
    /// Where the image is a single pixel in the middle of the network, the batch norm there sees one value for each
    /// image and channel, and one value has no variance.
    /// </remarks>
    public override int SmallestBatch => Shape.Height * Shape.Width > Shape.Divisor * Shape.Divisor ? 1 : 2;

    /// <summary>Creates a network with PyTorch's default initial weights.</summary>
    public static ConditionalUNet Create(UNetShape shape, Device device, ulong seed) =>
        Initialize(new ConditionalUNet(shape, device), seed);

    /// <summary>Creates a network with the weights that <paramref name="values"/> returns for each tensor.</summary>
    public static ConditionalUNet Create(UNetShape shape, Device device, Func<TensorEntry, Tensor> values) =>
        Fill(new ConditionalUNet(shape, device), values);

    /// <summary>
    /// Reads a network that <see cref="FlatNetwork.Save"/>, or another writer of the same tensors, wrote.
    /// </summary>
    /// <param name="stream">The safetensors stream. It must be seekable and hold nothing else.</param>
    /// <param name="shape">The shape of the network.</param>
    /// <param name="device">The device to load the network to.</param>
    /// <exception cref="FormatException">The stream does not hold exactly the tensors of that shape.</exception>
    public static ConditionalUNet Load(Stream stream, UNetShape shape, Device device) =>
        Read(stream, shape.Tensors(), () => new ConditionalUNet(shape, device));

    /// <summary>Creates a network of the same shape with copies of the given flat parameters and buffers.</summary>
    public ConditionalUNet CopyWith(Tensor parameters, Tensor buffers)
    {
        using var noGrad = no_grad();
        var network = new ConditionalUNet(Shape, Device);
        network.Parameters.copy_(parameters);
        network.Buffers.copy_(buffers);
        return network;
    }

    /// <summary>Predicts what the network is trained to predict of x_t: the noise or the velocity.</summary>
    /// <param name="x">x_t, (B, C, H, W).</param>
    /// <param name="noise">
    /// How much noise x_t has, (B), in the terms of the architecture: timesteps 1..T, or half the logarithms of the
    /// signal-to-noise ratios (<see cref="UNetForm.TakesNoiseLevel"/>).
    /// </param>
    /// <param name="labels">
    /// Rows of the label table, int64 (B); negative for no label (<see cref="LabelRow.None"/>).
    /// </param>
    /// <param name="training">
    /// Whether to normalize by the batch's statistics, and to update the running ones, rather than to normalize by
    /// those.
    /// </param>
    /// <param name="type">Data type of the convolutions and of the activations between them.</param>
    /// <param name="transforms">
    /// How each image was transformed, (B, 5); null for not at all. A network without a layer for it
    /// (<see cref="UNetShape.TakesTransform"/>) ignores it.
    /// </param>
    /// <returns>The prediction, float32 (B, C, H, W).</returns>
    public Tensor Forward(
        Tensor x,
        Tensor noise,
        Tensor labels,
        bool training = false,
        ScalarType type = ScalarType.Float32,
        Tensor? transforms = null)
    {
        using var scope = NewDisposeScope();
        var form = Shape.Form;
        var weights = UNetWeights.From(Shape, Split(type));
        var embedding = weights.Embedding;
        var v = embedding.Combine(
            embedding.EncodeNoise(noise),
            LabelEmbedding.Lookup(embedding.Labels, labels),
            transforms);                                                                    // B D

        x = PixelSquares.ToChannels(x, form.Stem).to(type);                                 // B C H W
        var y = form.Apply(
            x,
            Shape.Widths.Count,
            (number, x, skip, pools) => weights.Blocks[number].Forward(new(x, skip, pools), v, training));
        y = Project(weights.Output, y).to(ScalarType.Float32);                              // B C H W
        return PixelSquares.ToPixels(y, form.Stem).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Applies the 1x1 convolution. In bfloat16 it is a matrix product, which takes a fifth of the time on a CPU and is
    /// right on every processor (see <see cref="ChannelLayout"/>).
    /// </summary>
    private static Tensor Project(ConvolutionWeights weights, Tensor x) => x.dtype == ScalarType.Float32
        ? functional.conv2d(x, weights.Weight, weights.Bias)
        : weights.Project(x);
}
