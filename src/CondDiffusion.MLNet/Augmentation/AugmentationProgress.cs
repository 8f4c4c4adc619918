namespace CondDiffusion.MLNet;

/// <summary>How far one reading of an augmentation's images has come.</summary>
public sealed record AugmentationProgress
{
    internal AugmentationProgress()
    {
    }

    /// <summary>Gets the number of generated images that were accepted so far.</summary>
    public required int Accepted { get; init; }

    /// <summary>Gets the number of images to accept in all.</summary>
    public required int Images { get; init; }

    /// <summary>Gets the number of images that the classifier disputed: they were generated again.</summary>
    public required int Disputed { get; init; }

    /// <summary>Gets the number of images that were near copies of real ones: they were generated again.</summary>
    public required int Copied { get; init; }
}
