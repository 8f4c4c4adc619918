using System.Globalization;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>A measured model, or the floor: a line of the results file and a row of the table.</summary>
internal sealed record QualityRow
{
    /// <summary>What was measured. A row that the file has already is not measured again.</summary>
    public required string Name { get; init; }

    public required string Data { get; init; }

    public required string Size { get; init; }

    public required int Images { get; init; }

    /// <summary>
    /// Minutes that the training took, those of earlier runs included; null where they are not known.
    /// </summary>
    public double? Minutes { get; init; }

    /// <summary>Images that the network evaluated for each generated image.</summary>
    public double? Evaluations { get; init; }

    public double? Milliseconds { get; init; }

    public double? LabelAccuracy { get; init; }

    public required double Frechet { get; init; }

    public required double Kernel { get; init; }

    public required double Precision { get; init; }

    public required double Recall { get; init; }

    public required double Coverage { get; init; }

    public double? Authenticity { get; init; }

    /// <summary>The classification accuracy score, the spread of its trainings, and their number.</summary>
    public double? Score { get; init; }

    public double? ScoreDeviation { get; init; }

    public int Trainings { get; init; }

    public required string Commit { get; init; }

    public required string Machine { get; init; }

    public required string Command { get; init; }

    /// <summary>The head of the table, in Markdown.</summary>
    public static string Head =>
        "| | evaluations | ms | label accuracy | Fréchet | kernel | precision | recall | coverage | " +
        "authenticity | CAS |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

    /// <summary>Returns the row in Markdown.</summary>
    public override string ToString()
    {
        var score = Score is null ? "" : Text(100 * Score, "F2") + " ± " + Text(100 * ScoreDeviation, "F2");
        string[] cells =
        [
            Name, Text(Evaluations, "F0"), Text(Milliseconds, "F1"), Percent(LabelAccuracy), Text(Frechet, "G3"),
            Text(Kernel, "G3"), Text(Precision, "F3"), Text(Recall, "F3"), Text(Coverage, "F3"),
            Text(Authenticity, "F3"), score,
        ];
        return $"| {string.Join(" | ", cells)} |";

        static string Percent(double? value) => value is null ? "" : Text(100 * value, "F1") + " %";

        static string Text(double? value, string format) =>
            value?.ToString(format, CultureInfo.InvariantCulture) ?? "";
    }
}
