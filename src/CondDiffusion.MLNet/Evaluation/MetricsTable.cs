using System.Globalization;
using System.Text;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>Formats metrics as a table for a terminal of 80 columns.</summary>
internal static class MetricsTable
{
    private const int NameWidth = 8;

    public static string Format(ImageGenerationMetrics metrics)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{metrics.GeneratedCount} generated rows against ");
        text.Append(CultureInfo.InvariantCulture, $"{metrics.RealCount} real ones, {metrics.FeatureCount} features");
        if (metrics.Floor is { } floor)
        {
            text.Append(CultureInfo.InvariantCulture, $"\nfloor: {floor.GeneratedCount} real rows against ");
            text.Append(CultureInfo.InvariantCulture, $"{floor.RealCount} others");
        }

        text.Append("\n\n           rows  Fréchet    kernel  prec   rec  dens cover label  auth     C_T");
        AppendRow(text, metrics.Label ?? "all", metrics);
        if (metrics.Floor is not null) AppendRow(text, "floor", metrics.Floor);
        foreach (var label in metrics.PerLabel) AppendRow(text, label.Label!, label);
        return text.ToString();
    }

    private static void AppendRow(StringBuilder text, string name, ImageGenerationMetrics metrics)
    {
        var shown = name.Length > NameWidth ? $"{name[..(NameWidth - 1)]}…" : name;
        text.Append('\n').Append(shown.PadRight(NameWidth));
        text.Append(CultureInfo.InvariantCulture, $"{metrics.GeneratedCount,7}");
        text.Append(CultureInfo.InvariantCulture, $"{metrics.FrechetDistance,9:G3}{metrics.KernelDistance,10:G3}");
        text.Append(CultureInfo.InvariantCulture, $"{metrics.Precision,6:F3}{metrics.Recall,6:F3}");
        text.Append(CultureInfo.InvariantCulture, $"{metrics.Density,6:F3}{metrics.Coverage,6:F3}");
        AppendOptional(text, metrics.LabelAccuracy, 6, "F3");
        AppendOptional(text, metrics.Authenticity, 6, "F3");
        AppendOptional(text, metrics.CopyingStatistic, 8, "F1");
    }

    private static void AppendOptional(StringBuilder text, double? value, int width, string format) =>
        text.Append((value?.ToString(format, CultureInfo.InvariantCulture) ?? "-").PadLeft(width));
}
