using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>
/// Emits a U-Net, as its form says. Another architecture needs nothing here but emitters of its new kinds of blocks.
/// </summary>
internal static class UNetEmitter
{
    private static readonly Dictionary<BlockKind, EmitBlock> Emitters = new()
    {
        [PlainBlock.Kind] = PlainBlockEmitter.Emit,
        [ResidualBlock.Kind] = ResidualBlockEmitter.Emit,
        [AttentionBlock.Kind] = AttentionBlockEmitter.Emit,
    };

    /// <summary>Emits the network.</summary>
    /// <param name="layers">Emits the layers.</param>
    /// <param name="x">x_t, (B, C, H, W).</param>
    /// <param name="v">The sum of the noise's and the label's embeddings, (B, D).</param>
    /// <returns>The prediction, (B, C, H, W).</returns>
    public static string Emit(LayerEmitter layers, string x, string v)
    {
        var shape = layers.Shape;
        var places = shape.Places();
        if (shape.Form.SharesEmbedding) v = layers.Silu(layers.Linear(layers.Silu(layers.Linear(v, "emb.0")), "emb.2"));

        x = shape.Form.Apply(ToChannels(layers.Graph, x, shape), shape.Widths.Count, (number, x, skip, pools) =>
        {
            var (kind, place) = places[number];
            return Emitters[kind](layers, place, Join(layers.Graph, x, skip, pools), v);
        });
        return ToPixels(layers.Graph, layers.Convolution(x, "out"), shape.Form.Stem);
    }

    /// <summary>
    /// Returns the number of values in the largest activation that an image becomes in the graph, where attention
    /// writes out its scores.
    /// </summary>
    public static long LargestActivation(UNetShape shape) => shape.Places()
        .Where(block => block.Kind == AttentionBlock.Kind)
        .Select(block => AttentionBlockEmitter.CountScores(shape, block.Place))
        .Append(shape.LargestActivation)
        .Max();

    /// <summary>Returns the input of a block: what <see cref="BlockInput"/> computes.</summary>
    private static string Join(GraphBuilder graph, string x, string? skip, bool pools)
    {
        if (skip is not null) return graph.Concatenate(1, Upsample(graph, x), skip);

        return pools
            ? graph.Apply(
                "MaxPool", [x], OnnxAttribute.Integers("kernel_shape", 2, 2), OnnxAttribute.Integers("strides", 2, 2))
            : x;
    }

    /// <summary>Doubles height and width, as <see cref="SkipConnection.Upsample"/> does.</summary>
    private static string Upsample(GraphBuilder graph, string x) => graph.Apply(
        "Resize",
        [x, "", graph.Constant([1, 1, 2, 2], 4)],
        OnnxAttribute.Text("mode", "linear"),
        OnnxAttribute.Text("coordinate_transformation_mode", "half_pixel"));

    /// <summary>Turns squares of pixels into channels, as <see cref="PixelSquares"/> does.</summary>
    private static string ToChannels(GraphBuilder graph, string x, UNetShape shape)
    {
        var side = shape.Form.Stem;
        if (side == 1) return x;

        var height = shape.Height / side;
        var width = shape.Width / side;
        x = graph.Reshape(x, -1, shape.Channels, height, side, width, side);
        x = graph.Transpose(x, 0, 1, 3, 5, 2, 4);                                           // B C s s H/s W/s
        return graph.Reshape(x, -1, shape.Channels * side * side, height, width);
    }

    /// <summary>Turns channels into squares of pixels, as <see cref="PixelSquares"/> does.</summary>
    private static string ToPixels(GraphBuilder graph, string x, int side) => side == 1
        ? x
        : graph.Apply("DepthToSpace", [x], OnnxAttribute.Integer("blocksize", side), OnnxAttribute.Text("mode", "CRD"));
}
