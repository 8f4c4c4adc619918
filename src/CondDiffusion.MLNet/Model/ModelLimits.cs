namespace CondDiffusion.MLNet.Model;

/// <summary>
/// The largest numbers that a model can have. Options and model files have the same limits, so that a model that can be
/// trained can be saved and loaded, and no file can make its reader work without an end.
/// </summary>
internal static class ModelLimits
{
    /// <summary>Limit of the channels, widths, labels and embedding size of a network, each.</summary>
    public const int Size = 1 << 24;

    /// <summary>
    /// Limit of all parameters and batch-norm statistics of a network together. TorchSharp shows the memory of a tensor
    /// as a span, which ends below 2^31 bytes, and checkpoints keep all parameters in one tensor.
    /// </summary>
    public const long Parameters = (1L << 29) - 1;

    /// <summary>Limit of the timesteps of a schedule, T, and of the steps of a sampler.</summary>
    public const int Timesteps = 10_000;

    /// <summary>Limit of the images that are generated at a time.</summary>
    public const int BatchSize = 1 << 16;

    /// <summary>Limit of a guidance scale.</summary>
    public const int GuidanceScale = 1000;
}
