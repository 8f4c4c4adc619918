namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>The operators that the graphs use again and again.</summary>
internal static class GraphOperators
{
    public static string Plus(this GraphBuilder graph, string a, string b) => graph.Apply("Add", [a, b]);

    public static string Minus(this GraphBuilder graph, string a, string b) => graph.Apply("Sub", [a, b]);

    public static string Times(this GraphBuilder graph, string a, string b) => graph.Apply("Mul", [a, b]);

    /// <summary>Concatenates values along a dimension.</summary>
    public static string Concatenate(this GraphBuilder graph, long axis, params ReadOnlySpan<string> values) =>
        graph.Apply("Concat", values, OnnxAttribute.Integer("axis", axis));

    /// <summary>Splits a value into equal parts along a dimension.</summary>
    public static string[] Split(this GraphBuilder graph, string value, int parts, long axis) =>
        graph.Apply("Split", parts, [value], OnnxAttribute.Integer("axis", axis));

    /// <summary>Picks rows of the first dimension; a scalar index removes that dimension.</summary>
    public static string Pick(this GraphBuilder graph, string rows, string index) =>
        graph.Apply("Gather", [rows, index]);

    /// <summary>Returns the rows of the first dimension from one number up to another, each a vector of one.</summary>
    public static string Slice(this GraphBuilder graph, string rows, string start, string end) =>
        graph.Apply("Slice", [rows, start, end, graph.Integers(0)]);

    /// <summary>Adds dimensions of size 1.</summary>
    public static string Unsqueeze(this GraphBuilder graph, string value, params ReadOnlySpan<long> axes) =>
        graph.Apply("Unsqueeze", [value, graph.Integers(axes)]);

    /// <summary>Gives a value other sizes, of which one may be -1 for what remains.</summary>
    public static string Reshape(this GraphBuilder graph, string value, params ReadOnlySpan<long> sizes) =>
        graph.Apply("Reshape", [value, graph.Integers(sizes)]);

    /// <summary>Permutes the dimensions.</summary>
    public static string Transpose(this GraphBuilder graph, string value, params ReadOnlySpan<long> axes) =>
        graph.Apply("Transpose", [value], OnnxAttribute.Integers("perm", axes));
}
