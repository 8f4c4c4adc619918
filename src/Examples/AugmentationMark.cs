namespace CondDiffusion.Examples;

/// <summary>The column of a row that says whether its image was generated.</summary>
internal sealed class AugmentationMark
{
    public bool IsGenerated { get; set; }
}
