using CondDiffusion.MLNet.Diffusion;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Network;

/// <summary>Joins the activations from below in the U-Net with those of the encoder at the same resolution.</summary>
internal static class SkipConnection
{
    /// <summary>
    /// Maximum size of a joined tensor on a CPU. The allocator reuses memory in pieces of up to 32 MB; a larger piece
    /// comes fresh from the system in every step, at the price of a page fault for each page.
    /// </summary>
    private const long MostJoinedBytes = 30_000_000;

    /// <summary>Doubles height and width, with bilinear interpolation: (B, C, H, W) to (B, C, 2H, 2W).</summary>
    public static Tensor Upsample(Tensor x)
    {
        // The gradient of libtorch's interpolation takes four times as long on a CPU as that of the products. Float32
        // is the reference, and keeps its last bits.
        var isSlow = x.requires_grad && x.dtype == ScalarType.BFloat16 && x.device.type == DeviceType.CPU;
        return isSlow ? UpsampleByProducts(x) : functional.interpolate(
            x, scale_factor: [2, 2], mode: InterpolationMode.Bilinear, align_corners: false);
    }

    /// <summary>
    /// Upsamples <paramref name="below"/>, concatenates <paramref name="skip"/>, and adds <paramref name="embedding"/>
    /// to every pixel.
    /// </summary>
    /// <param name="below">Activations from below, (B, Cbelow, H/2, W/2).</param>
    /// <param name="skip">Activations of the encoder, (B, Cskip, H, W).</param>
    /// <param name="embedding">The block's embedding, (B, Cbelow + Cskip, 1, 1).</param>
    /// <returns>(B, Cbelow + Cskip, H, W), cut into parts of the batch that the allocator can reuse.</returns>
    public static Tensor[] Join(Tensor below, Tensor skip, Tensor embedding)
    {
        long parts = 1;
        if (below.device.type == DeviceType.CPU)
        {
            var bytes = embedding.numel() * skip.shape[2] * skip.shape[3] * embedding.element_size();
            parts = Math.Min(1 + bytes / MostJoinedBytes, embedding.shape[0]);
        }

        return
        [
            .. below.chunk(parts)
                .Zip(skip.chunk(parts), embedding.chunk(parts))
                .Select(part => JoinPart(part.First, part.Second, part.Third)),
        ];
    }

    /// <summary>
    /// Joins a part of the batch. What is constant over an image can as well be added before the upsampling, to a
    /// quarter of the values. Only float32, the reference, adds in the published order, and so keeps the last bit.
    /// </summary>
    private static Tensor JoinPart(Tensor below, Tensor skip, Tensor embedding)
    {
        if (embedding.dtype == ScalarType.Float32) return cat([Upsample(below), skip], 1).add_(embedding, Numbers.One);

        var embeddings = embedding.split([below.shape[1], skip.shape[1]], 1);
        return cat([Upsample(below.Plus(embeddings[0])), skip.Plus(embeddings[1])], 1);
    }

    /// <summary>
    /// Doubles the width and then the height by multiplying with <see cref="Interpolation"/> from the left.
    /// </summary>
    private static Tensor UpsampleByProducts(Tensor x)
    {
        using var scope = NewDisposeScope();
        var batch = x.shape[0];
        var height = x.shape[2];
        var width = x.shape[3];

        var rows = x.permute(0, 2, 3, 1).reshape(batch * height, width, -1);                // BH W C
        rows = Interpolation(width, x).expand(batch * height, -1, -1).bmm(rows);            // BH 2W C
        var columns = rows.reshape(batch, height, -1);                                      // B H 2WC
        columns = Interpolation(height, x).expand(batch, -1, -1).bmm(columns);              // B 2H 2WC
        return columns.reshape(batch, 2 * height, 2 * width, -1).permute(0, 3, 1, 2).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Returns the matrix, (1, 2 size, size), that doubles a column of that size. All its values are 0, 1/4, 3/4 or 1.
    /// </summary>
    private static Tensor Interpolation(long size, Tensor like)
    {
        var identity = eye(size, dtype: ScalarType.Float32, device: like.device).unsqueeze(0);
        return functional.interpolate(
            identity, scale_factor: [2], mode: InterpolationMode.Linear, align_corners: false)
            .transpose(1, 2)
            .to(like.dtype);
    }
}
