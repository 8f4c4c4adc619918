namespace CondDiffusion.MLNet.Benchmarks.Plots;

/// <summary>A plot of curves, with logarithmic axes.</summary>
internal static class LogPlot
{
    private const int Left = 60;
    private const int Breadth = 440; // of the horizontal axis
    private const int Right = 150;
    private const int Top = 36;
    private const int Height = 260; // of the vertical axis
    private const int Bottom = 52;

    private static readonly int[] Steps = [1, 2, 5];

    /// <summary>Draws a plot as an SVG image.</summary>
    /// <param name="title">What the plot shows, for readers who do not see it.</param>
    /// <param name="horizontal">What the horizontal axis shows.</param>
    /// <param name="vertical">What the vertical axis shows.</param>
    /// <param name="curves">The curves, at least one. Their values are positive.</param>
    public static string Draw(string title, string horizontal, string vertical, IReadOnlyList<LogPlotCurve> curves)
    {
        var columns = Ticks([.. curves.SelectMany(curve => curve.Points).Select(point => point.X)]);
        var rows = Ticks([.. curves.SelectMany(curve => curve.Points).Select(point => point.Y)]);
        const int end = Top + Height;
        List<string> shapes =
        [
            $"""<text x="{Left + Breadth / 2}" y="{end + 40}" text-anchor="middle">{horizontal}</text>""",
            $"""<text x="12" y="{Top - 18}">{vertical}</text>""",
        ];
        foreach (var tick in columns)
        {
            shapes.Add($"""<line class="grid" x1="{X(tick)}" y1="{Top}" x2="{X(tick)}" y2="{end}"/>""");
            shapes.Add($"""<text x="{X(tick)}" y="{end + 18}" text-anchor="middle">{tick:0.##}</text>""");
        }

        foreach (var tick in rows)
        {
            shapes.Add($"""<line class="grid" x1="{Left}" y1="{Y(tick)}" x2="{Left + Breadth}" y2="{Y(tick)}"/>""");
            shapes.Add($"""<text x="{Left - 10}" y="{Y(tick)}" dy="4" text-anchor="end">{tick:0.##}</text>""");
        }

        foreach (var (name, color, points) in curves)
        {
            var line = string.Join(' ', points.Select(point => $"{X(point.X)},{Y(point.Y)}"));
            shapes.Add($"""<polyline class="{color}" style="fill: none" points="{line}"/>""");
            shapes.AddRange(points.Select(point =>
                $"""<circle class="{color}" cx="{X(point.X)}" cy="{Y(point.Y)}" r="4"/>"""));
            shapes.Add($"""<text x="{X(points[^1].X)}" y="{Y(points[^1].Y)}" dx="10" dy="4">{name}</text>""");
        }

        return SvgPage.Write(title, Left + Breadth + Right, end + Bottom, shapes);

        string X(double value) => $"{Left + Fraction(value, columns) * Breadth:F1}";

        string Y(double value) => $"{end - Fraction(value, rows) * Height:F1}";
    }

    /// <summary>
    /// Returns 1, 2 and 5 and their multiples with powers of 10, from below the values to above them.
    /// </summary>
    private static double[] Ticks(IReadOnlyList<double> values)
    {
        var first = (int)Math.Floor(Math.Log10(values.Min()));
        var last = (int)Math.Ceiling(Math.Log10(values.Max()));
        double[] all =
        [
            .. from power in Enumerable.Range(first, last - first + 1)
               from step in Steps
               select step * Math.Pow(10, power),
        ];
        var begin = all.Last(tick => tick <= values.Min());
        var end = all.First(tick => tick >= values.Max() && tick > begin);
        return [.. all.Where(tick => tick >= begin && tick <= end)];
    }

    private static double Fraction(double value, double[] ticks) =>
        Math.Log(value / ticks[0]) / Math.Log(ticks[^1] / ticks[0]);
}
