using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>
/// Emits the layers of a U-Net, with its weights. A layer is known by its name in PyTorch's state_dict.
/// </summary>
/// <param name="graph">The graph that evaluates the network.</param>
/// <param name="model">The model with the weights.</param>
internal sealed class LayerEmitter(GraphBuilder graph, ExportedModel model)
{
    public GraphBuilder Graph => graph;

    public UNetShape Shape => model.Description.Network;

    /// <summary>Emits a convolution with no batch norm after it: (B, Cin, H, W) to (B, Cout, H, W).</summary>
    public string Convolution(string x, string name) =>
        Convolution(x, name, model.Weights[$"{name}.weight"].Values, model.Weights[$"{name}.bias"].Values);

    /// <summary>Emits a convolution that the batch norm after it is folded into.</summary>
    /// <param name="x">(B, Cin, H, W).</param>
    /// <param name="name">The convolution.</param>
    /// <param name="norm">The batch norm.</param>
    /// <returns>(B, Cout, H, W).</returns>
    public string Convolution(string x, string name, string norm)
    {
        var scale = model.Weights[$"{norm}.weight"].Values;
        var offset = model.Weights[$"{norm}.bias"].Values;
        var mean = model.Weights[$"{norm}.running_mean"].Values;
        var variance = model.Weights[$"{norm}.running_var"].Values;
        var weight = model.Weights[$"{name}.weight"].Values.ToArray();
        var bias = model.Weights[$"{name}.bias"].Values.ToArray();

        var inputs = weight.Length / bias.Length;
        for (var channel = 0; channel < bias.Length; channel++)
        {
            var factor = scale[channel] / Math.Sqrt(variance[channel] + FusedConvolution.Epsilon);
            foreach (ref var value in weight.AsSpan(channel * inputs, inputs)) value = (float)(value * factor);
            bias[channel] = (float)((bias[channel] - mean[channel]) * factor + offset[channel]);
        }

        return Convolution(x, name, weight, bias);
    }

    /// <summary>Emits a linear layer, or a 1x1 convolution of pixels that are rows.</summary>
    /// <param name="rows">(rows, inputs).</param>
    /// <param name="name">The layer.</param>
    /// <returns>(rows, outputs).</returns>
    public string Linear(string rows, string name)
    {
        var bias = Vector($"{name}.bias");
        var tensor = model.Weights[$"{name}.weight"];
        var outputs = tensor.Entry.Shape[0];
        var weight = graph.Weights($"{name}.weight", tensor.Values, outputs, tensor.Entry.Length / outputs);
        return graph.Apply("Gemm", [rows, weight, bias], OnnxAttribute.Integer("transB", 1));
    }

    /// <summary>Adds a tensor of one dimension.</summary>
    public string Vector(string name)
    {
        var values = model.Weights[name].Values;
        return graph.Weights(name, values, values.Length);
    }

    /// <summary>Emits x sigmoid(x).</summary>
    public string Silu(string x) => graph.Times(x, graph.Apply("Sigmoid", [x]));

    private string Convolution(string x, string name, float[] weight, float[] bias)
    {
        var sizes = model.Weights[$"{name}.weight"].Entry.Shape;
        var padding = sizes[2] / 2;
        return graph.Apply(
            "Conv",
            [x, graph.Weights($"{name}.weight", weight, sizes), graph.Weights($"{name}.bias", bias, bias.Length)],
            OnnxAttribute.Integers("pads", padding, padding, padding, padding));
    }
}
