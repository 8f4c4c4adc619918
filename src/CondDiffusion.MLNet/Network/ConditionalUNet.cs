using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>The U-Net that predicts the noise or the velocity in x_t from (x_t, t, label).</summary>
internal sealed class ConditionalUNet : FlatNetwork
{
    private ConditionalUNet(UNetShape shape, Device device)
        : base(shape.Tensors(), [shape.Channels, shape.Height, shape.Width], device) => Shape = shape;

    public UNetShape Shape { get; }

    /// <inheritdoc/>
    /// <remarks>
    /// On images of 4 x 4 pixels the batch norm in the middle of the network sees one value for each image and channel,
    /// and one value has no variance.
    /// </remarks>
    public override int SmallestBatch => Shape.Height * Shape.Width > 16 ? 1 : 2;

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
    /// <param name="t">Timesteps 1..T, (B).</param>
    /// <param name="labels">
    /// Rows of the label table, int64 (B); negative for no label (<see cref="LabelRow.None"/>).
    /// </param>
    /// <param name="training">
    /// Whether to normalize by the batch's statistics, and to update the running ones, rather than to normalize by
    /// those.
    /// </param>
    /// <param name="type">Data type of the convolutions and of the activations between them.</param>
    /// <returns>The prediction, float32 (B, C, H, W).</returns>
    public Tensor Forward(
        Tensor x,
        Tensor t,
        Tensor labels,
        bool training = false,
        ScalarType type = ScalarType.Float32)
    {
        using var scope = NewDisposeScope();
        var weights = UNetWeights.From(Split(type));

        // Embedding
        var v = TimestepEmbedding.Encode(t, Shape.EmbeddingSize);                           // B D
        v = v + LabelEmbedding.Lookup(weights.Labels, labels);                              // B D

        // Encoder
        var x1 = ConvBlock.Forward(weights.Down1, x.to(type), v, training);                 // B W0 H W
        var x2 = ConvBlock.ForwardPooled(weights.Down2, x1, v, training);                   // B W1 H/2 W/2
        var y = ConvBlock.ForwardPooled(weights.Bottom, x2, v, training);                   // B W2 H/4 W/4

        // Decoder
        y = ConvBlock.ForwardJoined(weights.Up2, y, x2, v, training);                       // B W1 H/2 W/2
        y = ConvBlock.ForwardJoined(weights.Up1, y, x1, v, training);                       // B W0 H W
        y = Project(weights.Output, y);                                                     // B C H W
        return y.to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Applies the 1x1 convolution. In bfloat16 it is a matrix product, which takes a fifth of the time on a CPU and is
    /// right on every processor (see <see cref="ChannelLayout"/>).
    /// </summary>
    private static Tensor Project(ConvolutionWeights weights, Tensor x) => x.dtype == ScalarType.Float32
        ? functional.conv2d(x, weights.Weight, weights.Bias)
        : functional.linear(x.permute(0, 2, 3, 1), weights.Weight.flatten(1), weights.Bias).permute(0, 3, 1, 2);
}
