using System.Collections.ObjectModel;
using System.Diagnostics;
using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// A network that can be trained. All parameters lie in one flat tensor and all buffers in another, so that the
/// optimizer, an average or a copy is one operation on one tensor. The layers use views of them.
/// </summary>
internal abstract class FlatNetwork : IDisposable
{
    private readonly IReadOnlyList<TensorEntry> _tensors;
    private readonly long[] _parameterSizes;
    private readonly long[] _bufferSizes;

    /// <param name="tensors">Every parameter and buffer, in the order of PyTorch's state_dict.</param>
    /// <param name="imageSize">Channels, height and width of the network's images.</param>
    /// <param name="device">The device of the tensors.</param>
    protected FlatNetwork(IReadOnlyList<TensorEntry> tensors, long[] imageSize, Device device)
    {
        ImageSize = imageSize;
        _tensors = tensors;
        _parameterSizes = [.. _tensors.Where(tensor => !tensor.IsBuffer).Select(tensor => tensor.Length)];
        _bufferSizes = [.. _tensors.Where(tensor => tensor.IsBuffer).Select(tensor => tensor.Length)];

        Parameters = zeros(_parameterSizes.Sum(), ScalarType.Float32, device, requires_grad: true)
            .DetachFromDisposeScope();
        Buffers = zeros(_bufferSizes.Sum(), ScalarType.Float32, device).DetachFromDisposeScope();
    }

    /// <summary>Channels, height and width of the network's images.</summary>
    public long[] ImageSize { get; }

    /// <summary>Every parameter, flat, in the order of the tensors.</summary>
    public Tensor Parameters { get; }

    /// <summary>Every batch-norm statistic, flat, in the order of the tensors.</summary>
    public Tensor Buffers { get; }

    public Device Device => Parameters.device;

    /// <summary>The fewest images that a training step can have.</summary>
    public virtual int SmallestBatch => 1;

    /// <summary>Lists every tensor by name, as a view: writing to it writes to the network.</summary>
    public IReadOnlyList<(TensorEntry Entry, Tensor Values)> StateDict()
    {
        var parameters = new Queue<(TensorEntry, Tensor)>(Parts(Parameters.detach()));
        var buffers = new Queue<(TensorEntry, Tensor)>(Parts(Buffers, ofBuffers: true));
        return [.. _tensors.Select(entry => (entry.IsBuffer ? buffers : parameters).Dequeue())];
    }

    /// <summary>Lists the part of every parameter in a flat tensor like <see cref="Parameters"/>, as a view.</summary>
    /// <param name="flat">A value for each parameter.</param>
    public IReadOnlyList<(TensorEntry Entry, Tensor Values)> Parts(Tensor flat) => Parts(flat, ofBuffers: false);

    /// <summary>Writes every parameter and buffer under its PyTorch name, in the safetensors format.</summary>
    public void Save(Stream stream)
    {
        using var scope = NewDisposeScope();
        Safetensors.Write(stream, [.. StateDict()], ReadOnlyDictionary<string, string>.Empty);
    }

    public void Dispose()
    {
        Parameters.Dispose();
        Buffers.Dispose();
    }

    /// <summary>
    /// Gives a network PyTorch's default initial weights. The CPU generates them, so that a seed gives the same weights
    /// on every device.
    /// </summary>
    protected static T Initialize<T>(T network, ulong seed)
        where T : FlatNetwork
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(seed, CPU);

        return Fill(network, tensor =>
        {
            var values = empty(tensor.Shape, ScalarType.Float32, CPU);
            var bound = 1 / Math.Sqrt(tensor.FanIn);
            return tensor.Role switch
            {
                TensorRole.Convolution or TensorRole.Linear => values.uniform_(-bound, bound, generator),
                TensorRole.Embedding => values.normal_(0, 1, generator),
                TensorRole.One or TensorRole.OneBuffer => values.fill_(Numbers.One),
                TensorRole.Zero or TensorRole.ZeroConvolution or TensorRole.ZeroBuffer => values.zero_(),
                _ => throw new UnreachableException($"{tensor.Role}"),
            };
        });
    }

    /// <summary>Gives a network the weights that <paramref name="values"/> returns for each tensor.</summary>
    protected static T Fill<T>(T network, Func<TensorEntry, Tensor> values)
        where T : FlatNetwork => Write(network, (entry, target) => target.copy_(values(entry)));

    /// <summary>
    /// Reads the weights of a network, which is created once the stream's header is known to be right.
    /// </summary>
    /// <exception cref="FormatException">The stream does not hold exactly these tensors.</exception>
    protected static T Read<T>(Stream stream, IReadOnlyList<TensorEntry> tensors, Func<T> create)
        where T : FlatNetwork
    {
        using var scope = NewDisposeScope();
        var read = Safetensors.Open(stream, tensors);
        return Write(create(), read);
    }

    /// <summary>
    /// Splits the flat tensors into views of one tensor each, those of the convolutions in <paramref name="type"/>. It
    /// is one split, whose gradient is one concatenation: slices would cost a gradient of the full size for each
    /// tensor.
    /// </summary>
    protected IReadOnlyList<Tensor> Split(ScalarType type)
    {
        var parameters = new Queue<Tensor>(Parameters.split(_parameterSizes));
        var buffers = new Queue<Tensor>(Buffers.split(_bufferSizes));

        var tensors = new List<Tensor>(_tensors.Count);
        foreach (var entry in _tensors)
        {
            var values = (entry.IsBuffer ? buffers : parameters).Dequeue().view(entry.Shape);
            tensors.Add(entry.IsConvolution ? values.to(type) : values);
        }

        return tensors;
    }

    private List<(TensorEntry Entry, Tensor Values)> Parts(Tensor flat, bool ofBuffers)
    {
        long start = 0;
        var parts = new List<(TensorEntry, Tensor)>();
        foreach (var entry in _tensors.Where(tensor => tensor.IsBuffer == ofBuffers))
        {
            parts.Add((entry, flat.narrow(0, start, entry.Length).view(entry.Shape)));
            start += entry.Length;
        }

        return parts;
    }

    /// <summary>Writes every tensor of a new network, which is disposed if that fails.</summary>
    private static T Write<T>(T network, Action<TensorEntry, Tensor> write)
        where T : FlatNetwork
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        try
        {
            foreach (var (entry, target) in network.StateDict()) write(entry, target);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }
}
