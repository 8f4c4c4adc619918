namespace CondDiffusion.MLNet.Network;

/// <summary>Decides the shape of every tensor of a <see cref="ConditionalUNet"/>. Model files contain it.</summary>
/// <param name="Channels">Channels of the image, C.</param>
/// <param name="Height">Height of the image, H; a multiple of 4, since the network halves it twice.</param>
/// <param name="Width">Width of the image, W; a multiple of 4.</param>
/// <param name="Labels">Rows of the label embedding table.</param>
/// <param name="EmbeddingSize">Size of the time and label embedding, D.</param>
/// <param name="Widths">Feature channels at full, half and quarter resolution: W0, W1, W2.</param>
internal sealed record UNetShape(
    int Channels,
    int Height,
    int Width,
    int Labels,
    int EmbeddingSize,
    IReadOnlyList<int> Widths)
{
    /// <summary>The maximum of <see cref="Pixels"/>.</summary>
    public const int MostPixels = 1 << 22;

    /// <summary>The number of values in one image, C * H * W.</summary>
    public int Pixels => Channels * Height * Width;

    /// <summary>Returns whether an image can have this height or width, which the network halves twice.</summary>
    public static bool IsSide(int length) => length >= 4 && length % 4 == 0;

    /// <summary>Lists every parameter and buffer in the order of PyTorch's state_dict.</summary>
    public IReadOnlyList<TensorEntry> Tensors()
    {
        var full = Widths[0];
        var half = Widths[1];
        var quarter = Widths[2];
        return
        [
            .. Block("down1", Channels, full),
            .. Block("down2", full, half),
            .. Block("bot1", half, quarter),
            .. Block("up2", quarter + half, half),
            .. Block("up1", half + full, full),
            .. TensorEntry.Layer(TensorRole.Convolution, "out", [Channels, full, 1, 1]),
            new("label_emb.weight", [Labels, EmbeddingSize], TensorRole.Embedding),
        ];
    }

    private IEnumerable<TensorEntry> Block(string name, int input, int output) =>
    [
        .. TensorEntry.Layer(TensorRole.Convolution, $"{name}.convs.0", [output, input, 3, 3]),
        .. TensorEntry.BatchNorm($"{name}.convs.1", output),
        .. TensorEntry.Layer(TensorRole.Convolution, $"{name}.convs.3", [output, output, 3, 3]),
        .. TensorEntry.BatchNorm($"{name}.convs.4", output),
        .. TensorEntry.Layer(TensorRole.Linear, $"{name}.mlp.0", [input, EmbeddingSize]),
        .. TensorEntry.Layer(TensorRole.Linear, $"{name}.mlp.2", [input, input]),
    ];
}
