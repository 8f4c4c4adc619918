namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>The rows that are compared with each other: of one protocol, or of one label with few images.</summary>
/// <param name="Rows">At least one row.</param>
/// <param name="Qualities">What was measured of the generated images.</param>
internal sealed record StudySection(IReadOnlyList<StudyRow> Rows, IReadOnlyList<GeneratedQuality> Qualities)
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
            if (Protocol.Minority is { } label)
                return $"{DataTitle}, few images of label {label}, {counts.Max()} of each other label";

            var images = counts.Max() == counts.Min()
                ? $"{counts[0]} images of each label"
                : $"{counts.Max()} to {counts.Min()} images of a label";
            return $"{DataTitle}, {images}{(Protocol.IsLong ? ", twice the steps" : "")}";
        }
    }

    /// <summary>Gets a section for each protocol, in the order of the rarest label's number of images.</summary>
    public IReadOnlyList<StudySection> Parts =>
        [.. Group(Rows, Qualities, protocol => protocol).OrderBy(part => part.Protocol.CountsByLabel.Min())];

    /// <summary>Sorts rows into sections, in the order in which they come first.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="qualities">What was measured of generated images; of other protocols, it is left out.</param>
    public static IReadOnlyList<StudySection> Of(
        IEnumerable<StudyRow> rows, IReadOnlyList<GeneratedQuality> qualities) =>
        Group(rows, qualities, protocol => protocol.Minority is { } label
            ? protocol with { Counts = $"{label}" }
            : protocol);

    /// <summary>Returns the rows of an arm.</summary>
    public IEnumerable<StudyRow> Of(StudyArm arm) => Rows.Where(row => row.Arm == arm.Name);

    /// <summary>Returns the mean of an arm's values; null if it has none.</summary>
    public MeanInterval? Mean(StudyArm arm, Func<StudyRow, double> value)
    {
        double[] values = [.. Of(arm).Select(value)];
        return values.Length == 0 ? null : MeanInterval.Of(values);
    }

    /// <summary>Returns the mean difference of two arms' values with the same seed; null if there is none.</summary>
    public MeanInterval? Difference(StudyArm arm, StudyArm baseline, Func<StudyRow, double> value) =>
        Difference(Of(arm), Of(baseline), value);

    /// <summary>Returns the mean difference of rows' values with the same seed; null if there is none.</summary>
    public static MeanInterval? Difference(
        IEnumerable<StudyRow> rows, IEnumerable<StudyRow> baseline, Func<StudyRow, double> value)
    {
        double[] differences =
        [
            .. rows.Join(baseline, row => row.Seed, row => row.Seed, (row, less) => value(row) - value(less)),
        ];
        return differences.Length == 0 ? null : MeanInterval.Of(differences);
    }

    private static IReadOnlyList<StudySection> Group(
        IEnumerable<StudyRow> rows,
        IReadOnlyList<GeneratedQuality> qualities,
        Func<StudyProtocol, StudyProtocol> getKey)
    {
        var qualitiesOf = qualities.ToLookup(quality => getKey(quality.Protocol));
        return
        [
            .. rows.GroupBy(row => getKey(row.Protocol))
                .Select(section => new StudySection([.. section], [.. qualitiesOf[section.Key]])),
        ];
    }
}
