using System.Collections.Concurrent;
using System.IO.Compression;
using System.Runtime.InteropServices;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>A 3x3 convolution with the batch norm after it folded in, and the ReLU after that.</summary>
internal sealed class FusedConvolution : IDisposable
{
    private const double Epsilon = 1e-5; // of the batch norm

    private static readonly Lazy<jit.ScriptModule?> OneDnn = new(LoadOneDnn);
    private static readonly ConcurrentDictionary<ScalarType, bool> Packable = [];

    private readonly Tensor _weight;
    private readonly Tensor _bias;
    private readonly bool _packed;

    /// <param name="convolution">Weights of the convolution.</param>
    /// <param name="norm">Weights and running statistics of the batch norm.</param>
    /// <param name="inputs">Channels of the inputs.</param>
    /// <param name="outputs">Channels of the outputs.</param>
    /// <param name="format">Size, data type and layout that the convolution computes in.</param>
    public FusedConvolution(
        ConvolutionWeights convolution,
        BatchNormWeights norm,
        PaddedChannels inputs,
        PaddedChannels outputs,
        ConvolutionFormat format)
    {
        using var scope = NewDisposeScope();
        var scale = norm.Weight / (norm.Variance.to(ScalarType.Float64) + Epsilon).sqrt();  // Cout

        var weight = (convolution.Weight * scale.view(-1, 1, 1, 1)).to(format.Type);        // Cout Cin 3 3
        weight = outputs.Pad(inputs.Pad(weight, 1), 0);

        var bias = ((convolution.Bias - norm.Mean) * scale + norm.Bias).to(format.Type);    // Cout
        bias = outputs.Pad(bias, 0);

        _packed = format.Pack;
        weight = _packed
            ? Pack(weight, format.Height, format.Width)
            : ChannelLayout.ChannelsLast(weight);
        _weight = weight.DetachFromDisposeScope();
        _bias = bias.DetachFromDisposeScope();
    }

    /// <summary>
    /// Returns whether this libtorch, on this processor, has the kernels for packed weights of a data type (see
    /// <see cref="ConvolutionFormat"/>). What they take is tried once: on x64 without AVX-512 they refuse bfloat16.
    /// </summary>
    public static bool CanPack(ScalarType type) => Packable.GetOrAdd(type, TryPacked);

    /// <summary>Applies the convolution and the ReLU.</summary>
    /// <param name="x">(B, Cin, H, W).</param>
    /// <returns>(B, Cout, H, W), in channels-last layout.</returns>
    public Tensor Forward(Tensor x)
    {
        if (_packed) return ForwardPacked(x, _weight, _bias);

        using var scope = NewDisposeScope();
        var y = functional.conv2d(x, _weight, _bias, padding: [1, 1]).relu_();
        return ChannelLayout.ChannelsLast(y).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _weight.Dispose();
        _bias.Dispose();
    }

    private static Tensor Pack(Tensor weight, int height, int width) =>
        OneDnn.Value!.invoke<Tensor>("pack", weight, height, width);

    private static Tensor ForwardPacked(Tensor x, Tensor weight, Tensor bias) =>
        OneDnn.Value!.invoke<Tensor>("forward", x, weight, bias);

    /// <summary>Convolves ones with ones, and returns whether that works and the sum is right.</summary>
    private static bool TryPacked(ScalarType type)
    {
        const int Channels = 16;
        const int Sum = Channels * Channels * (4 * 4 + 4 * 6 + 9); // corners, edges and center of 3 x 3 pixels

        if (OneDnn.Value is null) return false;

        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        try
        {
            var weight = Pack(ones([Channels, Channels, 3, 3], type, CPU), 3, 3);
            var x = ChannelLayout.ChannelsLast(ones([1, Channels, 3, 3], type, CPU));
            var y = ForwardPacked(x, weight, zeros([Channels], type, CPU));
            return y.to(ScalarType.Float64).sum().item<double>() == Sum;
        }
        catch (ExternalException)
        {
            return false;
        }
    }

    /// <summary>
    /// Loads the operators that pack weights and compute with packed ones. libtorch has them for its compiler, and
    /// TorchSharp does not offer them, but a saved TorchScript module may name them, so this builds one. The result is
    /// null where libtorch is built without them, as on ARM.
    /// </summary>
    private static jit.ScriptModule? LoadOneDnn()
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            void Add(string name, ReadOnlySpan<byte> content)
            {
                using var entry = archive.CreateEntry($"convolution/{name}", CompressionLevel.NoCompression).Open();
                entry.Write(content);
            }

            Add("version", "3\n"u8);

            // Pickles of protocol 2: an empty tuple, and an object without a state.
            Add("constants.pkl", [0x80, 2, .. ")."u8]);
            Add("data.pkl", [0x80, 2, .. "c__torch__\nConvolution\n)"u8, 0x81, .. "}b."u8]);

            Add("code/__torch__.py", """
                class Convolution(Module):
                  __parameters__ = []
                  __buffers__ = []
                  def pack(self: __torch__.Convolution, w: Tensor, height: int, width: int) -> Tensor:
                    w = torch.to_mkldnn(torch.contiguous(w))
                    shape = [1, torch.size(w, 1), height, width]
                    return torch.mkldnn_reorder_conv2d_weight(w, [1, 1], [1, 1], [1, 1], 1, shape)
                  def forward(self: __torch__.Convolution, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
                    scalars = annotate(List[Optional[number]], [])
                    return ops.mkldnn._convolution_pointwise(x, w, b, [1, 1], [1, 1], [1, 1], 1, "relu", scalars, "")

                """u8);
        }

        try
        {
            return jit.load(stream.ToArray());
        }
        catch (ExternalException)
        {
            return null;
        }
    }
}
