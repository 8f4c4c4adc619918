namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>The generated images of a study.</summary>
/// <param name="Images">The images that were accepted.</param>
internal sealed record GeneratedImages(IReadOnlyList<GreyImage> Images)
{
    /// <inheritdoc cref="StudyRow.GeneratorMinutes"/>
    public double? Minutes { get; init; }

    /// <inheritdoc cref="StudyRow.Disputed"/>
    public int? Disputed { get; init; }

    /// <inheritdoc cref="StudyRow.Copied"/>
    public int? Copied { get; init; }
}
