using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>Emits a <see cref="PlainBlock"/>.</summary>
internal static class PlainBlockEmitter
{
    /// <inheritdoc cref="EmitBlock"/>
    public static string Emit(LayerEmitter layers, BlockPlace place, string x, string v)
    {
        var graph = layers.Graph;
        var name = place.Name;
        var e = graph.Apply("Relu", [layers.Linear(v, $"{name}.mlp.0")]);                   // B Cin
        e = graph.Unsqueeze(layers.Linear(e, $"{name}.mlp.2"), 2, 3);                       // B Cin 1 1

        x = graph.Plus(x, e);                                                               // B Cin H W
        x = graph.Apply("Relu", [layers.Convolution(x, $"{name}.convs.0", norm: $"{name}.convs.1")]);
        return graph.Apply("Relu", [layers.Convolution(x, $"{name}.convs.3", norm: $"{name}.convs.4")]);
    }
}
