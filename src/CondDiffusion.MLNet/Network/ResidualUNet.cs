namespace CondDiffusion.MLNet.Network;

/// <summary>
/// The architecture of residual blocks that the time and label embedding scales and shifts, with attention.
/// </summary>
internal static class ResidualUNet
{
    public static UNetForm Form { get; } = new()
    {
        Stem = 2,
        Encoder = [ResidualBlock.Kind],
        Middle = [ResidualBlock.Kind, AttentionBlock.Kind, ResidualBlock.Kind],
        Decoder = [ResidualBlock.Kind],
        TakesNoiseLevel = true,
        SharesEmbedding = true,
        DefaultWidths = [96, 192],
        LeastWidths = 1,
        MostWidths = 4,
        WidthMultiple = 32,
    };
}
