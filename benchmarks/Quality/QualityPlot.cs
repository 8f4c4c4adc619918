using CondDiffusion.MLNet.Benchmarks.Plots;
using CondDiffusion.MLNet.Files;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>The plot of quality against minutes of training.</summary>
internal static class QualityPlot
{
    private const string PlotFile = "docs/images/quality-per-minute.svg";

    /// <summary>The trainings of the plot: the name, the title and the colour of each.</summary>
    private static readonly (string Name, string Title, string Color)[] Trainings =
    [
        ("published-native-size", "published method", "neutral"),
        ("plain-native-size", "plain training", "real"),
        ("default", "defaults", "generated"),
    ];

    /// <summary>Writes the plot of the rows that have minutes, where each of the trainings has one.</summary>
    public static void Write()
    {
        var rows = JsonLines.ReadAll<QualityRow>(QualityMeter.Results);
        LogPlotCurve[] curves =
        [
            .. Trainings.Select(training => new LogPlotCurve(
                training.Title, training.Color, FindPoints(rows, training.Name))),
        ];
        if (curves.Any(curve => curve.Points.Count == 0)) return;

        var plot = LogPlot.Draw(
            "Fréchet distance of the images of three trainings against the minutes that they took",
            "minutes of training on one core", "Fréchet distance, lower is better", curves);
        AtomicFile.Write(PlotFile, replace: true, temporary => File.WriteAllText(temporary, plot));
    }

    /// <summary>Returns the minutes and the distance of each model of a training, sampled as by default.</summary>
    internal static IReadOnlyList<(double X, double Y)> FindPoints(IEnumerable<QualityRow> rows, string training) =>
    [
        .. rows.Where(row => row.Minutes is not null && row.Data == "mnist")
            .Where(row => row.Name.StartsWith($"{training}, ", StringComparison.Ordinal))
            .Where(row => !row.Name.Contains("guidance", StringComparison.Ordinal)) // not that of the model
            .Select(row => (row.Minutes!.Value, row.Frechet))
            .Order(),
    ];
}
