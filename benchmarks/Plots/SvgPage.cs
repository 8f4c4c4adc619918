namespace CondDiffusion.MLNet.Benchmarks.Plots;

/// <summary>The page of a plot, and its colours.</summary>
internal static class SvgPage
{
    // The background is the plot's own: a page may be dark where the reader's system is light.
    private const string Style =
        """
        <style>
        .page { fill: #ffffff } .grid { stroke: #d1d9e0 }
        text { fill: #1f2328; font: 13px sans-serif }
        .real { fill: #0969da; stroke: #0969da } .generated { fill: #bc4c00; stroke: #bc4c00 }
        .neutral { fill: #59636e; stroke: #59636e }
        .interval, polyline { stroke-width: 2 } .seed { fill-opacity: 0.4; stroke: none }
        @media (prefers-color-scheme: dark) {
        .page { fill: #0d1117 } .grid { stroke: #3d444d }
        text { fill: #f0f6fc }
        .real { fill: #4493f8; stroke: #4493f8 } .generated { fill: #f0883e; stroke: #f0883e }
        .neutral { fill: #9198a1; stroke: #9198a1 }
        }
        </style>
        """;

    /// <summary>Returns an SVG image.</summary>
    /// <param name="title">What the plot shows, for readers who do not see it.</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="shapes">The elements of the plot, from the back to the front.</param>
    public static string Write(string title, int width, int height, IEnumerable<string> shapes)
    {
        var size = $"""width="{width}" height="{height}" """.TrimEnd();
        string[] lines =
        [
            $"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size} role="img">""",
            $"<title>{title}</title>",
            Style,
            $"""<rect class="page" {size}/>""",
            .. shapes,
        ];
        return $"{string.Join('\n', lines)}\n</svg>\n";
    }
}
