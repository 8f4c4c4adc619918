namespace CondDiffusion.MLNet.Network;

/// <summary>The architecture of the published method's network.</summary>
internal static class PlainUNet
{
    public static UNetForm Form { get; } = new()
    {
        Encoder = [PlainBlock.Kind],
        Middle = [PlainBlock.Kind],
        Decoder = [PlainBlock.Kind],
        DefaultWidths = [64, 128, 256],
        LeastWidths = 3,
        MostWidths = 3,
    };
}
