using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>Emits a <see cref="ResidualBlock"/>.</summary>
internal static class ResidualBlockEmitter
{
    /// <inheritdoc cref="EmitBlock"/>
    public static string Emit(LayerEmitter layers, BlockPlace place, string x, string v)
    {
        var graph = layers.Graph;
        var name = place.Name;
        var modulation = graph.Unsqueeze(layers.Linear(v, $"{name}.mod"), 2, 3);            // B 2Cout 1 1
        var parts = graph.Split(modulation, 2, axis: 1);
        var scale = graph.Plus(graph.Apply("Tanh", [parts[0]]), graph.Scalar(1f));
        var shift = parts[1];

        var y = layers.Convolution(x, $"{name}.conv1", norm: $"{name}.norm1");              // B Cout H W
        y = layers.Silu(graph.Plus(shift, graph.Times(y, scale)));
        y = layers.Convolution(y, $"{name}.conv2", norm: $"{name}.norm2");
        return graph.Plus(y, place.Input == place.Outputs ? x : layers.Convolution(x, $"{name}.skip"));
    }
}
