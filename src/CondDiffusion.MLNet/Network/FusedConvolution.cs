using System.Collections.Concurrent;
using System.IO.Compression;
using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// A 1x1 or 3x3 convolution with the batch norm after it, if there is one, folded in, and what comes after that.
/// </summary>
internal sealed class FusedConvolution : IDisposable
{
    /// <summary>What a batch norm adds to the variance.</summary>
    public const double Epsilon = 1e-5;

    private static readonly Lazy<jit.ScriptModule?> OneDnn = new(LoadOneDnn);
    private static readonly ConcurrentDictionary<ScalarType, bool> Packable = [];

    private readonly Tensor _weight;
    private readonly Tensor _bias;
    private readonly long _padding;
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
        var scale = norm.Weight / norm.Variance.to(ScalarType.Float64).Plus(Epsilon).sqrt(); // Cout
        var weight = convolution.Weight * scale.view(-1, 1, 1, 1);                          // Cout Cin 3 3
        var bias = ((convolution.Bias - norm.Mean) * scale).Plus(norm.Bias);                // Cout
        (_weight, _bias, _padding, _packed) = Prepare(weight, bias, inputs, outputs, format);
    }

    /// <summary>Creates a convolution with no batch norm after it.</summary>
    /// <param name="convolution">Weights of the convolution.</param>
    /// <param name="inputs">Channels of the inputs.</param>
    /// <param name="outputs">Channels of the outputs.</param>
    /// <param name="format">Size, data type and layout that the convolution computes in.</param>
    public FusedConvolution(
        ConvolutionWeights convolution, PaddedChannels inputs, PaddedChannels outputs, ConvolutionFormat format)
    {
        using var scope = NewDisposeScope();
        (_weight, _bias, _padding, _packed) =
            Prepare(convolution.Weight, convolution.Bias, inputs, outputs, format);
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
        return ChannelLayout.ChannelsLast(Convolve(x).relu_()).MoveToOuterDisposeScope();
    }

    /// <summary>Applies the convolution alone.</summary>
    /// <inheritdoc cref="Forward"/>
    public Tensor ForwardLinear(Tensor x)
    {
        using var scope = NewDisposeScope();
        if (!_packed) return ChannelLayout.ChannelsLast(Convolve(x)).MoveToOuterDisposeScope();

        // oneDNN computes 1x1 convolutions of a few small images in float32 in several threads, whose sums differ in
        // their last bit from those of one thread. One image at a time is always the same computation.
        var isAlone = _padding == 0 && x.dtype == ScalarType.Float32;
        Tensor[] parts = [.. x.split(isAlone ? 1 : x.shape[0]).Select(Compute)];
        return (parts is [var only] ? only : ChannelLayout.ChannelsLast(cat(parts))).MoveToOuterDisposeScope();

        Tensor Compute(Tensor part) => OneDnn.Value!.invoke<Tensor>("linear", part, _weight, _bias);
    }

    /// <summary>Applies the convolution, and adds its output to <paramref name="residual"/>.</summary>
    /// <param name="x">(B, Cin, H, W).</param>
    /// <param name="residual">(B, Cout, H, W). It may be changed.</param>
    /// <returns>(B, Cout, H, W), in channels-last layout.</returns>
    public Tensor ForwardResidual(Tensor x, Tensor residual)
    {
        // The kernel refuses images of a single pixel, whose layout in memory is open. With AMX, its sums of bfloat16
        // over images of four pixels depend on the batch (measured).
        if (_packed && x.shape[2] * x.shape[3] > 4)
            return OneDnn.Value!.invoke<Tensor>("residual", x, residual, _weight, _bias);

        return ForwardLinear(x).add_(residual, Numbers.One);
    }

    public void Dispose()
    {
        _weight.Dispose();
        _bias.Dispose();
    }

    private Tensor Convolve(Tensor x) => _padding == 0
        ? new ConvolutionWeights(_weight, _bias).Project(x)
        : functional.conv2d(x, _weight, _bias, padding: [_padding, _padding]);

    /// <summary>Converts, pads and packs weights, which live until they are disposed.</summary>
    private static (Tensor Weight, Tensor Bias, long Padding, bool Packed) Prepare(
        Tensor weight, Tensor bias, PaddedChannels inputs, PaddedChannels outputs, ConvolutionFormat format)
    {
        var padding = weight.shape[2] / 2;
        weight = outputs.Pad(inputs.Pad(weight.to(format.Type, copy: true), 1), 0);
        bias = outputs.Pad(bias.to(format.Type, copy: true), 0);
        weight = format.Pack
            ? Pack(weight, format.Height, format.Width)
            : ChannelLayout.ChannelsLast(weight);
        return (weight.DetachFromDisposeScope(), bias.DetachFromDisposeScope(), padding, format.Pack);
    }

    /// <remarks>
    /// The size is that of a tensor, since TorchSharp may free the objects that it makes of numbers before the module
    /// reads them (measured: once in some thousands of calls).
    /// </remarks>
    private static Tensor Pack(Tensor weight, int height, int width)
    {
        using var image = zeros([1], weight.dtype, CPU).expand(1, 1, height, width);
        return OneDnn.Value!.invoke<Tensor>("pack", weight, image);
    }

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
                  def pack(self: __torch__.Convolution, w: Tensor, image: Tensor) -> Tensor:
                    w = torch.to_mkldnn(torch.contiguous(w))
                    p = torch.floordiv(torch.size(w, 2), 2)
                    shape = [1, torch.size(w, 1), torch.size(image, 2), torch.size(image, 3)]
                    return torch.mkldnn_reorder_conv2d_weight(w, [p, p], [1, 1], [1, 1], 1, shape)
                  def forward(self: __torch__.Convolution, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
                    p = torch.floordiv(torch.size(w, 2), 2)
                    scalars = annotate(List[Optional[number]], [])
                    return ops.mkldnn._convolution_pointwise(x, w, b, [p, p], [1, 1], [1, 1], 1, "relu", scalars, "")
                  def linear(self: __torch__.Convolution, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
                    p = torch.floordiv(torch.size(w, 2), 2)
                    scalars = annotate(List[Optional[number]], [])
                    return ops.mkldnn._convolution_pointwise(x, w, b, [p, p], [1, 1], [1, 1], 1, "none", scalars, "")
                  def residual(self: __torch__.Convolution, x: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
                    ones = [1, 1]
                    scalars = annotate(List[Optional[number]], [])
                    return ops.mkldnn._convolution_pointwise(
                      x, y, w, b, ones, ones, ones, 1, "add", None, None, scalars, None)

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
