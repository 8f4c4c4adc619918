using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Classification;

/// <summary>
/// A convolutional network that classifies images. Each block has one or more 3x3 convolutions, each followed by batch
/// norm and ReLU, and then a max pooling. A layer computes the features of the image, and a last one the logits.
/// </summary>
internal sealed class ClassifierNetwork : FlatNetwork
{
    private ClassifierNetwork(ClassifierShape shape, Device device)
        : base(shape.Tensors(), shape.ImageSize, device) => Shape = shape;

    public ClassifierShape Shape { get; }

    /// <inheritdoc/>
    /// <remarks>Where the last block sees a single pixel, one image alone has no variance to normalize by.</remarks>
    public override int SmallestBatch => LastBlock(Shape.Height) * LastBlock(Shape.Width) > 1 ? 1 : 2;

    /// <summary>Creates a network with PyTorch's default initial weights.</summary>
    public static ClassifierNetwork Create(ClassifierShape shape, Device device, ulong seed) =>
        Initialize(new ClassifierNetwork(shape, device), seed);

    /// <summary>Reads a network that <see cref="FlatNetwork.Save"/> wrote.</summary>
    /// <exception cref="FormatException">The stream does not hold exactly the tensors of that shape.</exception>
    public static ClassifierNetwork Load(Stream stream, ClassifierShape shape, Device device) =>
        Read(stream, shape.Tensors(), () => new ClassifierNetwork(shape, device));

    /// <summary>Computes the logits in training.</summary>
    /// <param name="x">The images, float32 (B, C, H, W).</param>
    /// <param name="training">
    /// Whether to normalize by the batch's statistics, and to update the running ones, rather than to normalize by
    /// those.
    /// </param>
    /// <param name="type">Data type of the convolutions and of the activations between them.</param>
    /// <param name="dropOut">Drops some of the features, (B, F), in training.</param>
    /// <returns>The logits, float32 (B, labels).</returns>
    public Tensor Forward(Tensor x, bool training, ScalarType type, Func<Tensor, Tensor> dropOut)
    {
        using var scope = NewDisposeScope();
        var weights = ClassifierWeights.From(Shape, Split(type));

        var y = x.to(type);
        foreach (var block in weights.Blocks)
        {
            foreach (var (convolution, norm) in block)
                y = norm.Forward(convolution.Forward(y), training).relu_();                 // B Wi Hi Wi
            y = Pool(y);                                                                    // B Wi Hi/2 Wi/2
        }

        y = y.to(ScalarType.Float32).flatten(1);                                            // B W H' W'
        y = dropOut(weights.Features.Forward(y).relu_());                                   // B F
        return weights.Logits.Forward(y).MoveToOuterDisposeScope();
    }

    /// <summary>Halves height and width, but for those that are 1.</summary>
    public static Tensor Pool(Tensor x) =>
        functional.max_pool2d(x, [Math.Min(x.shape[2], 2), Math.Min(x.shape[3], 2)]);

    private int LastBlock(int side) => ClassifierShape.After(Shape.Widths.Count - 1, side);
}
