namespace CondDiffusion.MLNet;

/// <summary>How far one reading of an augmentation's images has come.</summary>
public sealed record AugmentationProgress
{
    internal AugmentationProgress()
    {
    }

    /// <summary>Gets the number of generated images that were accepted so far.</summary>
    public required int Accepted { get; init; }

    /// <summary>
    /// Gets the number of generated images of the whole view. A reading that leaves out rows accepts fewer.
    /// </summary>
    public required int Images { get; init; }

    /// <summary>Gets the number of images that the classifier disputed.</summary>
    public int Disputed => DisputedByLabel.Values.Sum();

    /// <summary>Gets the number of images that were near copies of real ones.</summary>
    public int Copied => CopiedByLabel.Values.Sum();

    /// <summary>Gets the number of disputed images of each label; labels without any are left out.</summary>
    public required IReadOnlyDictionary<string, int> DisputedByLabel { get; init; }

    /// <summary>Gets the number of near copies of each label; labels without any are left out.</summary>
    public required IReadOnlyDictionary<string, int> CopiedByLabel { get; init; }
}
