namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>The rows that are compared with each other: of one protocol, or of one label with few images.</summary>
/// <param name="Rows">At least one row.</param>
internal sealed record StudySection(IReadOnlyList<StudyRow> Rows)
{
    /// <summary>Gets what its rows have in common.</summary>
    public StudyProtocol Protocol => Rows[0].Protocol;

    /// <summary>Gets the arms that have rows, in the order of all arms.</summary>
    public IReadOnlyList<StudyArm> Arms =>
        [.. StudyArm.All.Where(arm => Rows.Any(row => row.Arm == arm.Name))];

    /// <summary>Gets the name of the data set.</summary>
    public string DataTitle => Protocol.Data == "mnist" ? "MNIST" : "Fashion-MNIST";

    /// <summary>Gets what the section is about.</summary>
    public string Title
    {
        get
        {
            var counts = Protocol.CountsByLabel;
            return Protocol.Minority is { } label
                ? $"{DataTitle}, few images of label {label}, {counts.Max()} of each other label"
                : $"{DataTitle}, {counts.Max()} to {counts.Min()} images of a label";
        }
    }

    /// <summary>Sorts rows into sections, in the order in which they come first.</summary>
    public static IReadOnlyList<StudySection> Of(IEnumerable<StudyRow> rows) =>
    [
        .. rows.GroupBy(row => row.Protocol.Minority is { } label
            ? row.Protocol with { Counts = $"{label}" }
            : row.Protocol).Select(section => new StudySection([.. section])),
    ];

    /// <summary>Returns the rows of an arm.</summary>
    public IEnumerable<StudyRow> Of(StudyArm arm) => Rows.Where(row => row.Arm == arm.Name);

    /// <summary>Returns the mean of an arm's values; null if it has none.</summary>
    public MeanInterval? Mean(StudyArm arm, Func<StudyRow, double> value)
    {
        double[] values = [.. Of(arm).Select(value)];
        return values.Length == 0 ? null : MeanInterval.Of(values);
    }

    /// <summary>Returns the mean difference of two arms' values with the same seed; null if there is none.</summary>
    public MeanInterval? Difference(StudyArm arm, StudyArm baseline, Func<StudyRow, double> value)
    {
        double[] differences =
        [
            .. Of(arm).Join(Of(baseline), row => row.Seed, row => row.Seed, (row, less) => value(row) - value(less)),
        ];
        return differences.Length == 0 ? null : MeanInterval.Of(differences);
    }
}
