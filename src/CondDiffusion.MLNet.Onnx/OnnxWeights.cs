namespace CondDiffusion.MLNet;

/// <summary>
/// The data type that an ONNX file stores the weights in. The model computes in float32 in either case.
/// </summary>
public enum OnnxWeights
{
    /// <summary>32 bits, as the model has them.</summary>
    Float32,

    /// <summary>16 bits: half the size of the file, and slightly different images.</summary>
    Float16,
}
