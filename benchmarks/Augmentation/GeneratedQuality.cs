namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>Whether the generated images of a study are new and right: a line of its results file.</summary>
internal sealed record GeneratedQuality
{
    public required StudyProtocol Protocol { get; init; }

    public required int Seed { get; init; }

    /// <summary>
    /// For each label, the fraction of its generated images that are authentic; null for a label without any, or with
    /// fewer than two real images.
    /// </summary>
    public required double?[] Authenticity { get; init; }

    /// <summary>The same of the test images, for the same labels.</summary>
    public required double?[] TestAuthenticity { get; init; }

    /// <summary>
    /// For each label, the fraction of its generated images in which the reference classifier sees it; null for a label
    /// without any.
    /// </summary>
    public required double?[] LabelAccuracy { get; init; }

    public required string Commit { get; init; }

    public required string Machine { get; init; }

    public required string Command { get; init; }
}
