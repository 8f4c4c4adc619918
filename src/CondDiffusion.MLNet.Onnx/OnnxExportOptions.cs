namespace CondDiffusion.MLNet;

/// <summary>How a model is saved as an ONNX file.</summary>
public sealed record OnnxExportOptions
{
    /// <summary>The data type that the weights are stored in.</summary>
    /// <value>Default: <see cref="OnnxWeights.Float32"/>.</value>
    public OnnxWeights Weights { get; init; }

    /// <summary>
    /// Whether the file has a second output, <c>steps</c>, with the images after each step of the sampling, so that a
    /// viewer can show how they emerge from the noise.
    /// </summary>
    /// <value>Default: false.</value>
    public bool IncludeSteps { get; init; }

    /// <summary>
    /// The sampling that the file has built in, as <see cref="ImageGenerationCatalog.WithSampling"/> would choose it.
    /// Its precision has no meaning there.
    /// </summary>
    /// <value>
    /// Options with the sampler <see cref="Sampler.DpmSolver"/>, or <see cref="Sampler.Ddim"/> with
    /// <see cref="SamplingOptions.Eta"/> 0; or null for those of the model. Default: null.
    /// </value>
    public SamplingOptions? Sampling { get; init; }
}
