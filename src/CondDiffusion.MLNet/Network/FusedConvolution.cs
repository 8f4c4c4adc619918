using System.IO.Compression;
using System.Runtime.InteropServices;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>A 3x3 convolution with the batch norm after it folded in and the ReLU after that.</summary>
internal sealed class FusedConvolution : IDisposable
{
    private const double Epsilon = 1e-5; // of the batch norm

    private static readonly Lazy<jit.ScriptModule?> OneDnn = new(LoadOneDnn);

    private readonly Tensor _weight, _bias;
    private readonly bool _packed;

    /// <param name="parameters">Weight and bias of the convolution, then of the batch norm.</param>
    /// <param name="buffers">Running mean and variance of the batch norm.</param>
    /// <param name="height">H of the inputs to come.</param>
    /// <param name="width">W of the inputs to come.</param>
    /// <param name="inputs">Channels of the inputs to come.</param>
    /// <param name="outputs">Channels of the outputs.</param>
    /// <param name="type">Data type of weights, inputs and outputs.</param>
    /// <param name="pack">
    /// Where <see cref="CanPack"/>: lay the weights out as oneDNN reads them, once and not in every call: 15 to 20% of the time for one image. The layout also
    /// decides the kernel, which libtorch chooses by the batch size otherwise: an image's output is the same to the bit in every batch.
    /// </param>
    public FusedConvolution(
        ReadOnlySpan<Tensor> parameters, ReadOnlySpan<Tensor> buffers, int height, int width, PaddedChannels inputs, PaddedChannels outputs,
        ScalarType type, bool pack)
    {
        using var scope = NewDisposeScope();
        var scale = parameters[2] / (buffers[1].to(ScalarType.Float64) + Epsilon).sqrt();    // Cout
        var weight = outputs.Pad(inputs.Pad((parameters[0] * scale.view(-1, 1, 1, 1)).to(type), 1), 0);  // Cout Cin 3 3
        var bias = outputs.Pad(((parameters[1] - buffers[0]) * scale + parameters[3]).to(type), 0);      // Cout
        _packed = pack;
        _weight = (_packed ? OneDnn.Value!.invoke<Tensor>("pack", weight, height, width) : ConvBlock.ChannelsLast(weight)).DetachFromDisposeScope();
        _bias = bias.DetachFromDisposeScope();
    }

    /// <summary>Whether this libtorch has the kernels for weights so laid out.</summary>
    public static bool CanPack => OneDnn.Value is not null;

    /// <param name="x">(B, Cin, H, W).</param>
    /// <returns>(B, Cout, H, W), channels last.</returns>
    public Tensor Forward(Tensor x)
    {
        if (_packed) return OneDnn.Value!.invoke<Tensor>("forward", x, _weight, _bias);
        using var scope = NewDisposeScope();
        return ConvBlock.ChannelsLast(functional.conv2d(x, _weight, _bias, padding: [1, 1]).relu_()).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _weight.Dispose();
        _bias.Dispose();
    }

    /// <summary>
    /// The operators for it, which libtorch has for its compiler and TorchSharp does not offer: a saved TorchScript module may name them,
    /// so here is one. Null where this libtorch is built without them, as on ARM.
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
            Add("constants.pkl", [0x80, 2, .. ")."u8]);                                                 // protocol 2: ()
            Add("data.pkl", [0x80, 2, .. "c__torch__\nConvolution\n)"u8, 0x81, .. "}b."u8]);            // an object without a state
            Add("code/__torch__.py", """
                class Convolution(Module):
                  __parameters__ = []
                  __buffers__ = []
                  def pack(self: __torch__.Convolution, w: Tensor, height: int, width: int) -> Tensor:
                    w = torch.to_mkldnn(torch.contiguous(w))
                    return torch.mkldnn_reorder_conv2d_weight(w, [1, 1], [1, 1], [1, 1], 1, [1, torch.size(w, 1), height, width])
                  def forward(self: __torch__.Convolution, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
                    return ops.mkldnn._convolution_pointwise(x, w, b, [1, 1], [1, 1], [1, 1], 1, "relu", annotate(List[Optional[number]], []), "")

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
