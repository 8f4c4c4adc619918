using CondDiffusion.MLNet.Benchmarks.Augmentation;

namespace CondDiffusion.MLNet.Benchmarks.Plots;

/// <summary>A plot of some values in each row: a dot for each, and their mean with its interval.</summary>
internal static class DotPlot
{
    private const int Left = 170;
    private const int Breadth = 480; // of the axis
    private const int Right = 30;
    private const int Top = 16;
    private const int RowHeight = 30;
    private const int Bottom = 52;
    private const int MostTicks = 8;

    /// <summary>Draws a plot as an SVG image.</summary>
    /// <param name="title">What the plot shows, for readers who do not see it.</param>
    /// <param name="axis">What the axis shows.</param>
    /// <param name="rows">The rows, from top to bottom, each with at least one value.</param>
    public static string Draw(string title, string axis, IReadOnlyList<DotPlotRow> rows)
    {
        MeanInterval[] means = [.. rows.Select(row => MeanInterval.Of(row.Values))];
        double[] ends =
        [
            .. means.SelectMany(mean => new[] { Low(mean), High(mean) }), .. rows.SelectMany(row => row.Values),
        ];
        var tick = ChooseTick(ends.Max() - ends.Min());
        var first = Math.Floor(ends.Min() / tick);
        var last = Math.Max(Math.Ceiling(ends.Max() / tick), first + 1);
        var bottom = Top + rows.Count * RowHeight;

        List<string> shapes = [];
        for (var i = first; i <= last; i++)
        {
            var x = X(i * tick);
            shapes.Add($"""<line class="grid" x1="{x}" y1="{Top}" x2="{x}" y2="{bottom}"/>""");
            shapes.Add($"""<text x="{x}" y="{bottom + 18}" text-anchor="middle">{i * tick:0.##}</text>""");
        }

        shapes.Add($"""<text x="{Left + Breadth / 2}" y="{bottom + 40}" text-anchor="middle">{axis}</text>""");
        for (var i = 0; i < rows.Count; i++) shapes.AddRange(DrawRow(rows[i], means[i], Top + i * RowHeight + 15, X));

        return SvgPage.Write(title, Left + Breadth + Right, bottom + Bottom, shapes);

        string X(double value) => $"{Left + (value / tick - first) / (last - first) * Breadth:F1}";
    }

    private static IEnumerable<string> DrawRow(DotPlotRow row, MeanInterval mean, int y, Func<double, string> x)
    {
        var color = row.IsGenerated ? "generated" : "real";
        yield return $"""<text x="{Left - 12}" y="{y + 4}" text-anchor="end">{row.Name}</text>""";
        yield return $"""<line class="{color} interval" x1="{x(Low(mean))}" y1="{y}" x2="{x(High(mean))}" y2="{y}"/>""";
        foreach (var value in row.Values)
            yield return $"""<circle class="{color} seed" cx="{x(value)}" cy="{y}" r="3"/>""";
        yield return $"""<circle class="{color}" cx="{x(mean.Mean)}" cy="{y}" r="5"/>""";
    }

    private static double Low(MeanInterval mean) => mean.Mean - (mean.HalfWidth ?? 0);

    private static double High(MeanInterval mean) => mean.Mean + (mean.HalfWidth ?? 0);

    /// <summary>Returns the least of 1, 2 and 5, and their multiples with powers of 10, that gives few ticks.</summary>
    private static double ChooseTick(double range)
    {
        double[] steps = [1, 2, 5];
        for (var power = 0.01; ; power *= 10)
        {
            foreach (var step in steps)
            {
                if (range <= step * power * MostTicks) return step * power;
            }
        }
    }
}
