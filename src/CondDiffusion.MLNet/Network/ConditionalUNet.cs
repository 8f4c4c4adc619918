using System.Collections.ObjectModel;
using System.Diagnostics;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// The U-Net that predicts the noise or the velocity in x_t from (x_t, t, label). All parameters lie in one flat tensor
/// and all buffers in another, so that the optimizer, an average or a copy is one operation on one tensor. The layers
/// use views of them.
/// </summary>
internal sealed class ConditionalUNet : IDisposable
{
    private readonly IReadOnlyList<TensorEntry> _tensors;
    private readonly long[] _parameterSizes;
    private readonly long[] _bufferSizes;

    private ConditionalUNet(UNetShape shape, Device device)
    {
        Shape = shape;
        _tensors = shape.Tensors();
        _parameterSizes = [.. _tensors.Where(tensor => !tensor.IsBuffer).Select(tensor => tensor.Length)];
        _bufferSizes = [.. _tensors.Where(tensor => tensor.IsBuffer).Select(tensor => tensor.Length)];

        Parameters = zeros(_parameterSizes.Sum(), ScalarType.Float32, device, requires_grad: true)
            .DetachFromDisposeScope();
        Buffers = zeros(_bufferSizes.Sum(), ScalarType.Float32, device).DetachFromDisposeScope();
    }

    public UNetShape Shape { get; }

    /// <summary>Every parameter, flat, in the order of <see cref="UNetShape.Tensors"/>.</summary>
    public Tensor Parameters { get; }

    /// <summary>Every batch-norm statistic, flat, in the order of <see cref="UNetShape.Tensors"/>.</summary>
    public Tensor Buffers { get; }

    public Device Device => Parameters.device;

    /// <summary>
    /// Creates a network with PyTorch's default initial weights. The CPU generates them, so that a seed gives the same
    /// weights on every device.
    /// </summary>
    public static ConditionalUNet Create(UNetShape shape, Device device, ulong seed)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(seed, CPU);

        return Create(shape, device, tensor =>
        {
            var values = empty(tensor.Shape, ScalarType.Float32, CPU);
            var bound = 1 / Math.Sqrt(tensor.FanIn);
            return tensor.Role switch
            {
                TensorRole.Convolution or TensorRole.Linear => values.uniform_(-bound, bound, generator),
                TensorRole.Embedding => values.normal_(0, 1, generator),
                TensorRole.One or TensorRole.OneBuffer => values.fill_(1),
                TensorRole.Zero or TensorRole.ZeroBuffer => values.zero_(),
                _ => throw new UnreachableException($"{tensor.Role}"),
            };
        });
    }

    /// <summary>Creates a network with the weights that <paramref name="values"/> returns for each tensor.</summary>
    public static ConditionalUNet Create(UNetShape shape, Device device, Func<TensorEntry, Tensor> values)
    {
        var network = new ConditionalUNet(shape, device);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        try
        {
            foreach (var (entry, target) in network.StateDict()) target.copy_(values(entry));
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>Reads a network that <see cref="Save"/>, or another writer of the same tensors, wrote.</summary>
    /// <param name="stream">The safetensors stream. It must be seekable and hold nothing else.</param>
    /// <param name="shape">The shape of the network.</param>
    /// <param name="device">The device to load the network to.</param>
    /// <exception cref="FormatException">The stream does not hold exactly the tensors of that shape.</exception>
    public static ConditionalUNet Load(Stream stream, UNetShape shape, Device device)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var read = Safetensors.Open(stream, shape.Tensors()); // checks the header before the network is allocated
        var network = new ConditionalUNet(shape, device);
        try
        {
            foreach (var (entry, target) in network.StateDict()) read(entry, target);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>Writes every parameter and buffer under its PyTorch name, in the safetensors format.</summary>
    public void Save(Stream stream)
    {
        using var scope = NewDisposeScope();
        Safetensors.Write(stream, [.. StateDict()], ReadOnlyDictionary<string, string>.Empty);
    }

    /// <summary>Creates a network of the same shape with copies of the given flat parameters and buffers.</summary>
    public ConditionalUNet CopyWith(Tensor parameters, Tensor buffers)
    {
        using var scope = NewDisposeScope();
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
        var weights = Split(type);

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

    /// <summary>Lists every tensor by name, as a view: writing to it writes to the network.</summary>
    public IEnumerable<(TensorEntry Entry, Tensor Values)> StateDict()
    {
        long parameter = 0;
        long buffer = 0;
        foreach (var entry in _tensors)
        {
            if (entry.IsBuffer)
            {
                yield return (entry, Buffers.narrow(0, buffer, entry.Length).view(entry.Shape));
                buffer += entry.Length;
            }
            else
            {
                yield return (entry, Parameters.detach().narrow(0, parameter, entry.Length).view(entry.Shape));
                parameter += entry.Length;
            }
        }
    }

    public void Dispose()
    {
        Parameters.Dispose();
        Buffers.Dispose();
    }

    /// <summary>
    /// Splits the flat tensors into views of one tensor each, those of the convolutions in <paramref name="type"/>. It
    /// is one split, whose gradient is one concatenation: slices would cost a gradient of the full size for each
    /// tensor.
    /// </summary>
    private UNetWeights Split(ScalarType type)
    {
        var parameters = new Queue<Tensor>(Parameters.split(_parameterSizes));
        var buffers = new Queue<Tensor>(Buffers.split(_bufferSizes));

        var tensors = new List<Tensor>(_tensors.Count);
        foreach (var entry in _tensors)
        {
            var values = (entry.IsBuffer ? buffers : parameters).Dequeue().view(entry.Shape);
            tensors.Add(entry.IsConvolution ? values.to(type) : values);
        }
        return UNetWeights.From(tensors);
    }

    /// <summary>
    /// Applies the 1x1 convolution. In bfloat16 it is a matrix product, which takes a fifth of the time on a CPU and is
    /// right on every processor (see <see cref="ChannelLayout"/>).
    /// </summary>
    private static Tensor Project(ConvolutionWeights weights, Tensor x) => x.dtype == ScalarType.Float32
        ? functional.conv2d(x, weights.Weight, weights.Bias)
        : functional.linear(x.permute(0, 2, 3, 1), weights.Weight.flatten(1), weights.Bias).permute(0, 3, 1, 2);
}
