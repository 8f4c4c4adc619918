namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>A grey image of a study.</summary>
/// <param name="Label">The label, from 0.</param>
/// <param name="Levels">The grey level of each pixel, from 0 to 255.</param>
internal sealed record GreyImage(int Label, byte[] Levels);
