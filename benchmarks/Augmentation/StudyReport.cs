using CondDiffusion.MLNet.Benchmarks.Plots;
using CondDiffusion.MLNet.Files;

namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>
/// Writes the results of the study, and of trials of other generators, into the documents. Those of other trainings
/// are left out.
/// </summary>
internal static class StudyReport
{
    /// <summary>The document with the results, between two lines.</summary>
    public const string Document = "augmentation.md";

    private const string Begin = "<!-- study: begin -->";
    private const string End = "<!-- study: end -->";

    /// <summary>Writes the document and its plots.</summary>
    /// <param name="directory">The directory of the documents.</param>
    /// <param name="rows">All rows of the results file.</param>
    /// <param name="qualities">Everything that was measured of generated images.</param>
    public static void Write(
        string directory, IReadOnlyList<StudyRow> rows, IReadOnlyList<GeneratedQuality> qualities)
    {
        var document = Path.Combine(directory, Document);
        WriteFile(document, Update(File.ReadAllText(document), rows, qualities));
        foreach (var (name, plot) in DrawPlots(rows)) WriteFile(Path.Combine(directory, name), plot);
    }

    /// <summary>Returns a document with the results of the study in place of those that it had.</summary>
    /// <exception cref="InvalidOperationException">The document does not have both lines.</exception>
    public static string Update(
        string document, IReadOnlyList<StudyRow> rows, IReadOnlyList<GeneratedQuality> qualities)
    {
        var begin = document.IndexOf($"{Begin}\n", StringComparison.Ordinal) + Begin.Length + 1;
        var end = document.IndexOf($"{End}\n", StringComparison.Ordinal);
        if (begin <= Begin.Length || end < begin)
        {
            throw new InvalidOperationException(
                $"The document {Document} must have a line '{Begin}' and, after it, a line '{End}'.");
        }

        var trials = StudyTables.DescribeTrials(rows, qualities);
        var text = string.Concat(FindSections(rows, qualities).Select(Describe).Append(trials)
            .Where(part => part.Length > 0)
            .Select(part => $"\n{part}\n"));
        return document[..begin] + (text.Length > 0 ? $"{text}\n" : "") + document[end..];
    }

    /// <summary>Returns the plot of each data set by its file.</summary>
    public static IReadOnlyDictionary<string, string> DrawPlots(IReadOnlyList<StudyRow> rows) =>
        FindSections(rows, []).Where(HasPlot).ToDictionary(PlotName, section => DotPlot.Draw(
            PlotTitle(section),
            "mean recall, %: each seed, and the mean with its 95 % interval",
            [
                .. section.Arms.Select(arm => new DotPlotRow(
                    arm.Title,
                    [.. section.Of(arm).Select(row => 100 * row.MeanRecall)],
                    arm.WithoutGenerated is not null)),
            ]));

    private static IReadOnlyList<StudySection> FindSections(
        IReadOnlyList<StudyRow> rows, IReadOnlyList<GeneratedQuality> qualities) =>
        StudySection.Of(rows.Where(row => row.Protocol.IsOfStudy), qualities);

    private static string Describe(StudySection section) => HasPlot(section)
        ? $"{StudyTables.Describe(section)}\n\n![{PlotTitle(section)}]({PlotName(section)})"
        : StudyTables.Describe(section);

    private static bool HasPlot(StudySection section) =>
        section.Protocol is { HasPublishedCounts: true, IsLong: false };

    private static string PlotName(StudySection section) => $"images/augmentation-{section.Protocol.Data}.svg";

    private static string PlotTitle(StudySection section) => $"Mean recall of each arm: {section.Title}";

    private static void WriteFile(string file, string text) =>
        AtomicFile.Write(file, replace: true, temporary => File.WriteAllText(temporary, text));
}
