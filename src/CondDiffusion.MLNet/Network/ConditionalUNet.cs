using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// The U-Net that predicts the noise in x_t from (x_t, t, label). All parameters lie in one flat tensor and all buffers in another, so
/// that the optimizer, an average or a copy is one operation on one tensor; the layers read views of them.
/// </summary>
internal sealed class ConditionalUNet : IDisposable
{
    private const long MostBytes = 30_000_000;

    private readonly IReadOnlyList<TensorEntry> _tensors;
    private readonly long[] _parameterSizes, _bufferSizes;
    private readonly long[][] _parameterShapes;
    private readonly bool[] _isConvolution;

    private ConditionalUNet(UNetShape shape, Device device)
    {
        Shape = shape;
        _tensors = shape.Tensors();
        _parameterSizes = [.. _tensors.Where(tensor => !tensor.IsBuffer).Select(tensor => tensor.Length)];
        _parameterShapes = [.. _tensors.Where(tensor => !tensor.IsBuffer).Select(tensor => tensor.Shape)];
        _isConvolution = [.. _parameterShapes.Select((size, i) => size.Length == 4 || i > 0 && _parameterShapes[i - 1].Length == 4)];
        _bufferSizes = [.. _tensors.Where(tensor => tensor.IsBuffer).Select(tensor => tensor.Length)];

        Parameters = zeros(_parameterSizes.Sum(), device: device, requires_grad: true).DetachFromDisposeScope();
        Buffers = zeros(_bufferSizes.Sum(), device: device).DetachFromDisposeScope();
    }

    public UNetShape Shape { get; }

    /// <summary>Every parameter, flat, in the order of <see cref="UNetShape.Tensors"/>.</summary>
    public Tensor Parameters { get; }

    /// <summary>Every batch-norm statistic, flat, in the order of <see cref="UNetShape.Tensors"/>.</summary>
    public Tensor Buffers { get; }

    public Device Device => Parameters.device;

    /// <summary>A network with PyTorch's default initial weights. They are drawn on the CPU, so that a seed means the same on every device.</summary>
    public static ConditionalUNet Create(UNetShape shape, Device device, ulong seed)
    {
        var network = new ConditionalUNet(shape, device);
        using var scope = NewDisposeScope();
        using var generator = new Generator(seed, CPU);
        network.Load(tensor =>
        {
            var values = empty(tensor.Shape);
            var bound = 1 / Math.Sqrt(tensor.FanIn);
            return tensor.Role switch
            {
                TensorRole.Weight => values.uniform_(-bound, bound, generator),
                TensorRole.Embedding => values.normal_(0, 1, generator),
                TensorRole.One or TensorRole.OneBuffer => values.fill_(1),
                _ => values.zero_(),
            };
        });
        return network;
    }

    /// <summary>A network with the weights that <paramref name="values"/> gives for each tensor.</summary>
    public static ConditionalUNet Create(UNetShape shape, Device device, Func<TensorEntry, Tensor> values)
    {
        var network = new ConditionalUNet(shape, device);
        network.Load(values);
        return network;
    }

    /// <summary>A network of the same shape with copies of other flat parameters and buffers.</summary>
    public ConditionalUNet With(Tensor parameters, Tensor buffers)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var network = new ConditionalUNet(Shape, Device);
        network.Parameters.copy_(parameters);
        network.Buffers.copy_(buffers);
        return network;
    }

    /// <summary>Predicts the noise.</summary>
    /// <param name="x">x_t, (B, C, H, W).</param>
    /// <param name="t">Timesteps 1..T, (B).</param>
    /// <param name="labels">Rows of the label table, int64 (B), negative for none; null for none at all.</param>
    /// <param name="training">Normalise by the batch's statistics, and update the running ones.</param>
    /// <param name="type">Of the convolutions and the activations between them.</param>
    /// <returns>(B, C, H, W), float32.</returns>
    public Tensor Forward(Tensor x, Tensor t, Tensor? labels, bool training = false, ScalarType type = ScalarType.Float32)
    {
        using var scope = NewDisposeScope();
        // One split, whose gradient is one concatenation: a slice for each tensor would cost a full-size gradient for each.
        var parameters = Parameters.split(_parameterSizes);
        for (var i = 0; i < parameters.Length; i++)
        {
            parameters[i] = parameters[i].view(_parameterShapes[i]);
            if (_isConvolution[i]) parameters[i] = parameters[i].to(type);
        }
        var buffers = Buffers.split(_bufferSizes);

        var v = TimestepEmbedding.Encode(t, Shape.EmbeddingSize);                            // B D
        if (labels is not null) v = v + parameters[^1].index_select(0, labels.clamp_min(0)) * (labels >= 0).unsqueeze(1);

        ReadOnlySpan<Tensor> Of(int block) => parameters.AsSpan(block * ConvBlock.Parameters, ConvBlock.Parameters);
        Tensor Embed(int block) => ConvBlock.Embed(Of(block), v);
        Tensor Block(int block, params Tensor[] parts) =>
            ConvBlock.Forward(Of(block), buffers.AsSpan(block * ConvBlock.Buffers, ConvBlock.Buffers), parts, training);

        // What is constant over an image may as well be added before an upsampling, to a quarter of the values. float32, the reference,
        // keeps the method's order of additions, and with it the last bit.
        Tensor JoinPart(Tensor below, Tensor beside, Tensor e)
        {
            if (type == ScalarType.Float32) return cat([Upsample(below), beside], 1).add_(e);
            var parts = e.split([below.shape[1], beside.shape[1]], 1);
            return cat([Upsample(below + parts[0]), beside + parts[1]], 1);
        }

        // On a CPU in parts: what is larger than 32 MB comes fresh from the system at each step, page fault by page fault.
        Tensor[] Join(Tensor below, Tensor beside, Tensor e)
        {
            var bytes = e.numel() * beside.shape[2] * beside.shape[3] * e.element_size();
            var parts = Device.type == DeviceType.CPU ? Math.Min(1 + bytes / MostBytes, e.shape[0]) : 1;
            return [.. below.chunk(parts).Zip(beside.chunk(parts), e.chunk(parts)).Select(part => JoinPart(part.First, part.Second, part.Third))];
        }

        var x1 = Block(0, x.to(type) + Embed(0));                                            // B W0 H W
        var x2 = Block(1, functional.max_pool2d(x1, 2).add_(Embed(1)));                      // B W1 H/2 W/2
        var y = Block(2, functional.max_pool2d(x2, 2).add_(Embed(2)));                       // B W2 H/4 W/4
        y = Block(3, Join(y, x2, Embed(3)));                                                 // B W1 H/2 W/2
        y = Block(4, Join(y, x1, Embed(4)));                                                 // B W0 H W
        y = Project(y, parameters[^3], parameters[^2]);                                      // B C H W
        return y.to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The 1x1 convolution. In bfloat16 as a matrix product: on a CPU it takes a fifth of the time, and the convolution's kernels compute wrong
    /// gradients on some processors (see <see cref="ConvBlock.PadChannels"/>).
    /// </summary>
    private static Tensor Project(Tensor x, Tensor weight, Tensor bias) => x.dtype == ScalarType.Float32
        ? functional.conv2d(x, weight, bias)
        : functional.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2);

    /// <summary>(B, C, H, W) to (B, C, 2H, 2W).</summary>
    public static Tensor Upsample(Tensor x) =>
        functional.interpolate(x, scale_factor: [2, 2], mode: InterpolationMode.Bilinear, align_corners: false);

    /// <summary>Every tensor by name, as a view: writing to it writes to the network.</summary>
    public IEnumerable<(TensorEntry Entry, Tensor Values)> StateDict()
    {
        long parameter = 0, buffer = 0;
        foreach (var entry in _tensors)
        {
            var (flat, start) = entry.IsBuffer ? (Buffers, buffer) : (Parameters.detach(), parameter);
            if (entry.IsBuffer) buffer += entry.Length;
            else parameter += entry.Length;
            yield return (entry, flat.narrow(0, start, entry.Length).view(entry.Shape));
        }
    }

    public void Dispose()
    {
        Parameters.Dispose();
        Buffers.Dispose();
    }

    private void Load(Func<TensorEntry, Tensor> values)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        try
        {
            foreach (var (entry, target) in StateDict()) target.copy_(values(entry));
        }
        catch
        {
            Dispose();
            throw;
        }
    }
}
