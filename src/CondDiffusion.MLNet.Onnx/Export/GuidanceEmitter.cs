using static CondDiffusion.MLNet.Onnx.Format.TensorProto.Types;

namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>
/// Emits classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598, equation 6). A step evaluates once more,
/// without their labels, the images that it guides: those that have a label and whose scale g is not 1.
/// </summary>
internal sealed class GuidanceEmitter
{
    private readonly string _isGuided; // (N)
    private readonly string _weights; // (N, 1, 1, 1)
    private readonly string _count; // N, as a vector

    /// <summary>Adds the input with the scale of each image.</summary>
    /// <param name="graph">The graph around the loop.</param>
    /// <param name="label">The label of each image, (N).</param>
    public GuidanceEmitter(GraphBuilder graph, string label)
    {
        var scale = graph.AddInput(OnnxNames.Guidance, DataType.Float, GraphBuilder.Images);
        var isLabelled = graph.Apply("GreaterOrEqual", [label, graph.Scalar(0L)]);
        var changesNothing = graph.Apply("Equal", [scale, graph.Scalar(1f)]);
        _isGuided = graph.Apply("And", [isLabelled, graph.Apply("Not", [changesNothing])]);

        // The paper's w is g - 1.
        _weights = graph.Unsqueeze(graph.Minus(scale, graph.Scalar(1f)), 1, 2, 3);
        _count = graph.Apply("Shape", [label]);
    }

    /// <summary>Emits the predicted image of each row, guided where that is due.</summary>
    /// <param name="graph">The graph of a step.</param>
    /// <param name="isGuidedStep">Whether the step guides, a scalar.</param>
    /// <param name="xt">x_t, (N, C, H, W).</param>
    /// <param name="labels">The embedding of each label, (N, D).</param>
    /// <param name="embeddingSize">Size of the embeddings, D.</param>
    /// <param name="denoise">Emits the predicted images of x_t and embeddings of labels.</param>
    /// <returns>x_0, (N, C, H, W).</returns>
    public string Guide(
        GraphBuilder graph,
        string isGuidedStep,
        string xt,
        string labels,
        int embeddingSize,
        Func<string, string, string> denoise)
    {
        var isGuided = graph.Apply("And", [_isGuided, isGuidedStep]);
        var guided = graph.Reshape(graph.Apply("NonZero", [isGuided]), -1);                 // U, row numbers
        var shape = graph.Concatenate(0, graph.Apply("Shape", [guided]), graph.Integers(embeddingSize));
        var none = graph.Apply("ConstantOfShape", [shape]);                                 // U D, zeros
        var images = denoise(
            graph.Concatenate(0, xt, graph.Pick(xt, guided)), graph.Concatenate(0, labels, none));  // N+U C H W

        var all = graph.Slice(images, graph.Integers(0), _count);
        var withLabel = graph.Pick(all, guided);
        var withoutLabel = graph.Slice(images, _count, graph.Integers(long.MaxValue));

        // x_0 = x_0,cond + w (x_0,cond - x_0,uncond)
        var change = graph.Times(graph.Pick(_weights, guided), graph.Minus(withLabel, withoutLabel));
        return graph.Apply("ScatterND", [all, graph.Unsqueeze(guided, 1), graph.Plus(withLabel, change)]);
    }
}
