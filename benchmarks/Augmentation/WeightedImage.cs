namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>An image that a classifier learns from.</summary>
/// <param name="Image">The image.</param>
/// <param name="Weight">How much it counts in the loss.</param>
internal readonly record struct WeightedImage(GreyImage Image, float Weight = 1);
