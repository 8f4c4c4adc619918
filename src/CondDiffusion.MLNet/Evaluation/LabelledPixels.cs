namespace CondDiffusion.MLNet.Evaluation;

/// <summary>An image in memory.</summary>
/// <param name="Label">The label, as text.</param>
/// <param name="Pixels">The values, [C, H, W].</param>
internal sealed record LabelledPixels(string Label, float[] Pixels);
