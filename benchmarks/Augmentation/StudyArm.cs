namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>A way to train a classifier on scarce images.</summary>
/// <param name="Name">The name on the command line and in the results file.</param>
/// <param name="Title">The name in tables and plots.</param>
/// <param name="Portions">Returns the images that it learns from.</param>
internal sealed record StudyArm(string Name, string Title, Func<Study, IReadOnlyList<Portion>> Portions)
{
    /// <summary>Whether images are shifted, rotated and scaled in training.</summary>
    public bool IsAffine { get; init; }

    /// <summary>
    /// The arm that differs from this one in the generated images alone; null for an arm without any.
    /// </summary>
    public string? WithoutGenerated { get; init; }

    /// <summary>Whether a classifier has refused generated images that do not show their label.</summary>
    public bool IsFiltered { get; init; }

    /// <summary>
    /// The arm whose classifier refuses generated images for another one: the best that needs no generated images.
    /// </summary>
    public static StudyArm Affine { get; } =
        new("affine", "affine", study => Portion.ByLabel(study.Real)) { IsAffine = true };

    /// <summary>Gets all arms. But for the first two, all labels are equally frequent in each.</summary>
    public static IReadOnlyList<StudyArm> All { get; } =
    [
        new("nothing", "nothing", study => [Portion.Of(study.Real)]),
        new("class-weights", "class weights", study => [Weigh(study.Real)]),
        new("oversampling", "oversampling", study => Portion.ByLabel(study.Real)),
        Affine,
        new("smote", "SMOTE", study => Portion.ByLabel([.. study.Real, .. study.Interpolated])),
        new("generated", "generated", study => Portion.ByLabel([.. study.Real, .. study.Generated]))
        {
            WithoutGenerated = "oversampling",
        },
        new("affine-generated", "affine, generated", study => Portion.ByLabel([.. study.Real, .. study.Generated]))
        {
            IsAffine = true,
            WithoutGenerated = Affine.Name,
        },
        new("affine-generated-half", "affine, half generated", study => Halve(study.Real, study.Generated))
        {
            IsAffine = true,
            WithoutGenerated = Affine.Name,
        },
        new("affine-filtered-half", "affine, half filtered", study => Halve(study.Real, study.Filtered))
        {
            IsAffine = true,
            IsFiltered = true,
            WithoutGenerated = Affine.Name,
        },
    ];

    /// <summary>Finds an arm by its name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists the names.</exception>
    public static StudyArm Find(string name) => All.FirstOrDefault(arm => arm.Name == name)
        ?? throw new ArgumentException(
            $"There is no arm '{name}'; there are {string.Join(", ", All.Select(arm => arm.Name))}.");

    /// <summary>
    /// Weighs each image with the inverse of its label's frequency, so that all labels count equally and the mean
    /// weight is 1.
    /// </summary>
    private static Portion Weigh(IReadOnlyList<GreyImage> images)
    {
        var counts = images.CountBy(image => image.Label).ToDictionary();
        return new(
        [
            .. images.Select(image =>
                new WeightedImage(image, (float)images.Count / counts.Count / counts[image.Label])),
        ]);
    }

    /// <summary>
    /// Makes at most half of each label's rows generated, as the trainer of the classifiers does by default.
    /// </summary>
    internal static IReadOnlyList<Portion> Halve(IReadOnlyList<GreyImage> real, IReadOnlyList<GreyImage> generated)
    {
        var generatedOf = generated.ToLookup(image => image.Label);
        IGrouping<int, GreyImage>[] labels = [.. real.GroupBy(image => image.Label).OrderBy(label => label.Key)];
        return
        [
            .. labels.Select(label => Half(label, label)),
            .. labels.Select(label => Half(label, generatedOf[label.Key])),
        ];

        Portion Half(IGrouping<int, GreyImage> label, IEnumerable<GreyImage> images)
        {
            var others = generatedOf[label.Key];
            return Portion.Of(others.Count() < label.Count() ? label.Concat(others) : images);
        }
    }
}
