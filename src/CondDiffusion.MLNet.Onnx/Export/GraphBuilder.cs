using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Onnx.Format;
using Google.Protobuf;
using static CondDiffusion.MLNet.Onnx.Format.TensorProto.Types;
using static CondDiffusion.MLNet.Onnx.Format.TensorShapeProto.Types;

namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>
/// Builds an ONNX graph (https://onnx.ai/onnx/operators). A value of the graph is known by its name, which is what the
/// methods take and return.
/// </summary>
/// <param name="name">
/// Name of the graph, which the names of its values begin with. A graph and its inner graphs need different names.
/// </param>
/// <param name="weights">The data type that the weights are stored in.</param>
internal sealed class GraphBuilder(string name, OnnxWeights weights)
{
    /// <summary>The size of a dimension that has as many values as there are images.</summary>
    public const long Images = -1;

    private int _values;

    public GraphProto Graph { get; } = new() { Name = name };

    /// <summary>Adds an input.</summary>
    /// <param name="input">Its name.</param>
    /// <param name="type">Its data type.</param>
    /// <param name="sizes">The size of each dimension.</param>
    public string AddInput(string input, DataType type, params ReadOnlySpan<long> sizes)
    {
        Graph.Input.Add(Describe(input, type, sizes));
        return input;
    }

    /// <summary>Makes a value an output.</summary>
    /// <param name="value">The value.</param>
    /// <param name="type">Its data type.</param>
    /// <param name="sizes">The size of each dimension.</param>
    public void AddOutput(string value, DataType type, params ReadOnlySpan<long> sizes) =>
        Graph.Output.Add(Describe(value, type, sizes));

    /// <summary>Applies an operator with one output.</summary>
    /// <param name="operation">Name of the operator in ONNX.</param>
    /// <param name="inputs">The inputs; an empty name stands for one that is left out.</param>
    /// <param name="attributes">The attributes that differ from the operator's defaults.</param>
    public string Apply(
        string operation, ReadOnlySpan<string> inputs, params ReadOnlySpan<AttributeProto> attributes) =>
        Apply(operation, outputs: 1, inputs, attributes)[0];

    /// <summary>Applies an operator with several outputs.</summary>
    /// <param name="operation">Name of the operator in ONNX.</param>
    /// <param name="outputs">The number of outputs.</param>
    /// <param name="inputs">The inputs; an empty name stands for one that is left out.</param>
    /// <param name="attributes">The attributes that differ from the operator's defaults.</param>
    public string[] Apply(
        string operation,
        int outputs,
        ReadOnlySpan<string> inputs,
        params ReadOnlySpan<AttributeProto> attributes)
    {
        string[] names = [.. Enumerable.Range(0, outputs).Select(_ => NewName(operation))];
        var node = new NodeProto { OpType = operation, Name = names[0] };
        node.Input.AddRange(inputs.ToArray());
        node.Output.AddRange(names);
        node.Attribute.AddRange(attributes.ToArray());
        Graph.Node.Add(node);
        return names;
    }

    /// <summary>Gives a value a name.</summary>
    public void Rename(string value, string newName)
    {
        var node = new NodeProto { OpType = "Identity", Name = newName };
        node.Input.Add(value);
        node.Output.Add(newName);
        Graph.Node.Add(node);
    }

    /// <summary>Adds one number.</summary>
    public string Scalar(float value) => Constant([value]);

    /// <summary>Adds one integer.</summary>
    public string Scalar(long value) => Store(NewName("constant"), DataType.Int64, AsBytes<long>([value]));

    /// <summary>Adds integers, as a vector.</summary>
    public string Integers(params ReadOnlySpan<long> values) =>
        Store(NewName("constant"), DataType.Int64, AsBytes(values), values.Length);

    /// <summary>Adds booleans, as a vector.</summary>
    public string Booleans(ReadOnlySpan<bool> values) =>
        Store(NewName("constant"), DataType.Bool, AsBytes(values), values.Length);

    /// <summary>Adds float32 numbers.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="sizes">The size of each dimension; none for a scalar.</param>
    public string Constant(ReadOnlySpan<float> values, params ReadOnlySpan<long> sizes) =>
        Store(NewName("constant"), DataType.Float, AsBytes(values), sizes);

    /// <summary>
    /// Adds weights. The graph computes with them in float32, however they are stored. Vectors, such as biases, are
    /// small and always stored in float32.
    /// </summary>
    /// <param name="weight">Name of the weights.</param>
    /// <param name="values">The weights.</param>
    /// <param name="sizes">The size of each dimension.</param>
    /// <exception cref="InvalidOperationException">A weight is to be stored in float16 and beyond it.</exception>
    public string Weights(string weight, ReadOnlySpan<float> values, params ReadOnlySpan<long> sizes)
    {
        if (weights == OnnxWeights.Float32 || sizes.Length == 1)
            return Store(weight, DataType.Float, AsBytes(values), sizes);

        var halves = new Half[values.Length];
        for (var i = 0; i < values.Length; i++) halves[i] = ToHalf(weight, values[i]);
        var stored = Store(weight, DataType.Float16, AsBytes<Half>(halves), sizes);
        return Apply("Cast", [stored], OnnxAttribute.Integer("to", (long)DataType.Float));
    }

    private static Half ToHalf(string weight, float value)
    {
        var half = (Half)value;
        if (Half.IsFinite(half)) return half;

        throw new InvalidOperationException(
            $"{nameof(OnnxExportOptions.Weights)} must be {nameof(OnnxWeights.Float32)} for this model: its tensor " +
            $"'{weight}' holds {value}, and {nameof(OnnxWeights.Float16)} ends at {(float)Half.MaxValue}.");
    }

    private static ReadOnlySpan<byte> AsBytes<T>(ReadOnlySpan<T> values)
        where T : struct => MemoryMarshal.AsBytes(values);

    private static ValueInfoProto Describe(string name, DataType type, ReadOnlySpan<long> sizes)
    {
        var shape = new TensorShapeProto();
        foreach (var size in sizes)
            shape.Dim.Add(size == Images ? new Dimension { DimParam = "N" } : new Dimension { DimValue = size });
        return new() { Name = name, Type = new() { TensorType = new() { ElemType = type, Shape = shape } } };
    }

    private string Store(string tensor, DataType type, ReadOnlySpan<byte> values, params ReadOnlySpan<long> sizes)
    {
        var stored = new TensorProto { Name = tensor, DataType = type, RawData = ByteString.CopyFrom(values) };
        stored.Dims.AddRange(sizes.ToArray());
        Graph.Initializer.Add(stored);
        return tensor;
    }

    private string NewName(string kind) => $"{name}/{kind}{++_values}";
}
