namespace CondDiffusion.MLNet.Network;

/// <summary>Names the special row numbers of the label embedding table.</summary>
internal static class LabelRow
{
    /// <summary>The row number of an image without a label. Any negative number means the same.</summary>
    public const int None = -1;
}
