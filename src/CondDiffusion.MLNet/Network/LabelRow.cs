namespace CondDiffusion.MLNet.Network;

/// <summary>Rows of the label embedding table: 0..labels-1, and one number that stands for no label.</summary>
internal static class LabelRow
{
    /// <summary>No label: the network adds nothing to the time embedding.</summary>
    public const int None = -1;
}
