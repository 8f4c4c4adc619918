namespace CondDiffusion.MLNet.Network;

/// <summary>What decides the shape of every tensor of a <see cref="ConditionalUNet"/>.</summary>
/// <param name="Channels">Channels of the image, C.</param>
/// <param name="Height">Rows of the image, H; a multiple of 4, since it is halved twice.</param>
/// <param name="Width">Columns of the image, W; a multiple of 4.</param>
/// <param name="Labels">Rows of the label embedding table.</param>
/// <param name="EmbeddingSize">Size of the time and label embedding, D.</param>
/// <param name="Widths">Feature channels at full, half and quarter resolution.</param>
internal sealed record UNetShape(int Channels, int Height, int Width, int Labels, int EmbeddingSize, IReadOnlyList<int> Widths)
{
    /// <summary>The most values in one image that anything here has to cope with.</summary>
    public const int MostPixels = 1 << 24;

    /// <summary>Values in one image, C * H * W.</summary>
    public int Pixels => Channels * Height * Width;

    /// <summary>Whether an image can be so high or wide: it is halved twice.</summary>
    public static bool IsSide(int length) => length >= 4 && length % 4 == 0;

    /// <summary>Every parameter and buffer in the order of PyTorch's state_dict.</summary>
    public IReadOnlyList<TensorEntry> Tensors()
    {
        var (full, half, quarter) = (Widths[0], Widths[1], Widths[2]);
        return
        [
            .. Block("down1", Channels, full),
            .. Block("down2", full, half),
            .. Block("bot1", half, quarter),
            .. Block("up2", quarter + half, half),
            .. Block("up1", half + full, full),
            .. Layer("out", [Channels, full, 1, 1]),
            new("label_emb.weight", [Labels, EmbeddingSize], TensorRole.Embedding),
        ];
    }

    private IEnumerable<TensorEntry> Block(string name, int input, int output) =>
    [
        .. Layer($"{name}.convs.0", [output, input, 3, 3]),
        .. BatchNorm($"{name}.convs.1", output),
        .. Layer($"{name}.convs.3", [output, output, 3, 3]),
        .. BatchNorm($"{name}.convs.4", output),
        .. Layer($"{name}.mlp.0", [input, EmbeddingSize]),
        .. Layer($"{name}.mlp.2", [input, input]),
    ];

    private static IEnumerable<TensorEntry> Layer(string name, long[] weight)
    {
        var fanIn = weight.Skip(1).Aggregate(1L, (product, size) => product * size);
        return [new($"{name}.weight", weight, TensorRole.Weight, fanIn), new($"{name}.bias", [weight[0]], TensorRole.Weight, fanIn)];
    }

    private static IEnumerable<TensorEntry> BatchNorm(string name, int channels) =>
    [
        new($"{name}.weight", [channels], TensorRole.One),
        new($"{name}.bias", [channels], TensorRole.Zero),
        new($"{name}.running_mean", [channels], TensorRole.ZeroBuffer),
        new($"{name}.running_var", [channels], TensorRole.OneBuffer),
    ];
}
