namespace CondDiffusion.MLNet.Benchmarks.Plots;

/// <summary>A curve of a plot.</summary>
/// <param name="Name">The name beside its last point.</param>
/// <param name="Color">The class of its colour in <see cref="SvgPage"/>.</param>
/// <param name="Points">Its points, from left to right, at least one.</param>
internal sealed record LogPlotCurve(string Name, string Color, IReadOnlyList<(double X, double Y)> Points);
