using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>Emits an <see cref="AttentionBlock"/>.</summary>
internal static class AttentionBlockEmitter
{
    private const float Epsilon = 1e-5f; // that of PyTorch's layer norm

    /// <summary>Returns the number of values in the scores of an image, heads x (H W)^2.</summary>
    public static long CountScores(UNetShape shape, BlockPlace place)
    {
        long pixels = shape.Height / place.Scale * (shape.Width / place.Scale);
        return AttentionBlock.Heads * pixels * pixels;
    }

    /// <inheritdoc cref="EmitBlock"/>
    public static string Emit(LayerEmitter layers, BlockPlace place, string x, string _)
    {
        var graph = layers.Graph;
        var name = place.Name;
        var channels = place.Outputs;
        var height = layers.Shape.Height / place.Scale;
        var width = layers.Shape.Width / place.Scale;
        var size = channels / AttentionBlock.Heads;

        var y = graph.Reshape(graph.Transpose(x, 0, 2, 3, 1), -1, channels);                // BHW C
        y = graph.Apply(
            "LayerNormalization",
            [y, layers.Vector($"{name}.norm.weight"), layers.Vector($"{name}.norm.bias")],
            OnnxAttribute.Number("epsilon", Epsilon));

        y = layers.Linear(y, $"{name}.qkv");                                                // BHW 3C
        y = graph.Reshape(y, -1, height * width, 3, AttentionBlock.Heads, size);
        y = graph.Transpose(y, 2, 0, 3, 1, 4);                                              // 3 B heads HW size
        var queries = graph.Pick(y, graph.Scalar(0L));
        var keys = graph.Pick(y, graph.Scalar(1L));
        var values = graph.Pick(y, graph.Scalar(2L));

        var scores = graph.Apply("MatMul", [queries, graph.Transpose(keys, 0, 1, 3, 2)]);   // B heads HW HW
        scores = graph.Times(scores, graph.Scalar((float)(1 / Math.Sqrt(size))));
        y = graph.Apply("MatMul", [graph.Apply("Softmax", [scores]), values]);              // B heads HW size

        y = graph.Reshape(graph.Transpose(y, 0, 2, 1, 3), -1, channels);                    // BHW C
        y = graph.Reshape(layers.Linear(y, $"{name}.out"), -1, height, width, channels);
        return graph.Plus(x, graph.Transpose(y, 0, 3, 1, 2));                               // B C H W
    }
}
