using Options = CondDiffusion.MLNet.ConditionalDiffusionTrainer.Options;

namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>A way to train the generator of a study.</summary>
/// <param name="Name">The name on the command line and in the results file.</param>
/// <param name="Options">Its options, but for its epochs and its seed.</param>
internal sealed record StudyTraining(string Name, Options Options)
{
    /// <summary>Gets the training of the study, and others that differ in one point.</summary>
    public static IReadOnlyList<StudyTraining> All { get; } =
    [
        new("balanced", Balanced),
        new("unbalanced", Balanced with { LabelBalance = 0 }),
        new("transformed", Balanced with { ShiftFraction = 0.05, RotationDegrees = 5, ScaleFraction = 0.05 }),
        new("shared", Balanced with { LabelSharing = 1 }),
    ];

    /// <summary>Gets the training of the study.</summary>
    public static StudyTraining Default => All[0];

    private static Options Balanced => new()
    {
        Height = StudyImages.Side,
        Width = StudyImages.Side,
        LabelBalance = 0.5,
    };

    /// <summary>Finds a training by its name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists the names.</exception>
    public static StudyTraining Find(string name) => All.FirstOrDefault(training => training.Name == name)
        ?? throw new ArgumentException(
            $"There is no generator '{name}'; there are {string.Join(", ", All.Select(training => training.Name))}.");
}
