namespace CondDiffusion.MLNet.Benchmarks.Plots;

/// <summary>A row of a <see cref="DotPlot"/>.</summary>
/// <param name="Name">What stands beside it.</param>
/// <param name="Values">At least one value.</param>
/// <param name="IsGenerated">Whether it has the color of the arms with generated images.</param>
internal sealed record DotPlotRow(string Name, IReadOnlyList<double> Values, bool IsGenerated);
