namespace CondDiffusion.MLNet.Onnx;

/// <summary>The names in an exported file. Never change them: existing files contain them.</summary>
internal static class OnnxNames
{
    /// <summary>Input: the row of each label in the model's labels, int64 (N); negative for none.</summary>
    public const string Label = "label";

    /// <summary>Input: the noise that each image begins as, float (N, C, H, W).</summary>
    public const string Noise = "noise";

    /// <summary>Input, of models that can be guided: the guidance scale of each image, float (N).</summary>
    public const string Guidance = "guidance";

    /// <summary>Output: the images, float (N, C, H, W); NaN for a label that the model does not have.</summary>
    public const string Pixels = "pixels";

    /// <summary>
    /// Output, where it was asked for: the images after each step, float (S, N, C, H, W).
    /// </summary>
    public const string Steps = "steps";

    /// <summary>Metadata: the model's description, in the JSON of model files.</summary>
    public const string Description = "description";

    /// <summary>Metadata: the SHA-256 of the model's description and weights, as in its model file.</summary>
    public const string Hash = "sha256";
}
