namespace CondDiffusion.MLNet.Augmentation;

/// <summary>A generated row.</summary>
/// <param name="Label">Its label, as text.</param>
/// <param name="Pixels">The values of its image, [C, H, W].</param>
internal sealed record GeneratedRow(string Label, ReadOnlyMemory<float> Pixels);
