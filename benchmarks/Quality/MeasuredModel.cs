namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>A model to measure.</summary>
/// <param name="Generator">The model.</param>
/// <param name="Minutes">The minutes of its training, where they were measured.</param>
internal sealed record MeasuredModel(ConditionalDiffusionTransformer Generator, double? Minutes);
