using CondDiffusion.MLNet.Onnx.Format;
using Google.Protobuf;
using static CondDiffusion.MLNet.Onnx.Format.AttributeProto.Types;

namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>Creates attributes of ONNX operators.</summary>
internal static class OnnxAttribute
{
    public static AttributeProto Integer(string name, long value) =>
        new() { Name = name, Type = AttributeType.Int, I = value };

    public static AttributeProto Number(string name, float value) =>
        new() { Name = name, Type = AttributeType.Float, F = value };

    public static AttributeProto Text(string name, string value) =>
        new() { Name = name, Type = AttributeType.String, S = ByteString.CopyFromUtf8(value) };

    public static AttributeProto Graph(string name, GraphProto value) =>
        new() { Name = name, Type = AttributeType.Graph, G = value };

    public static AttributeProto Integers(string name, params ReadOnlySpan<long> values)
    {
        var attribute = new AttributeProto { Name = name, Type = AttributeType.Ints };
        attribute.Ints.AddRange(values.ToArray());
        return attribute;
    }
}
