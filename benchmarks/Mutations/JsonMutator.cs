using System.Text.Json.Nodes;

namespace CondDiffusion.MLNet.Benchmarks.Mutations;

/// <summary>Changes one value of a JSON object at random, so that the text stays JSON.</summary>
internal static class JsonMutator
{
    private static readonly string[] Values =
    [
        "null", "true", "-1", "0", "1", "2", "3", "4", "8", "12", "255", "1000", "4096", "65536", "1000000", "16777216",
        "16777217", "2147483647", "2147483648", "9223372036854775807", "18446744073709551615", "1e99", "-1e-99", "0.5",
        "1.5", "1e-300", "\"\"", "\" \"", "\"NaN\"", "\"2\"", "\"Label\"", "\"Ancestral\"", "\"Cosine\"", "\"\\u0000\"",
        "\"\\ud800\"", "[]", "[1]", "[4,4,4]", "[-1,2,3]", "[[[[]]]]", "{}", "{\"Count\":1}",
    ];

    public static string Mutate(Random random, string json)
    {
        var root = JsonNode.Parse(json)!;
        var nodes = Descendants(root).ToArray();
        var node = nodes[random.Next(nodes.Length)];
        switch (random.Next(8))
        {
            case 0:
                Remove(node);
                break;
            case 1 when node.Parent is JsonObject parent:
                parent["Unknown"] = node.DeepClone();
                break;
            case 2:
                // Another value of the same file can have the right type and a wrong meaning.
                node.ReplaceWith(nodes[random.Next(nodes.Length)].DeepClone());
                break;
            case 3:
                node.ReplaceWith(CreateLong(random));
                break;
            default:
                node.ReplaceWith(JsonNode.Parse(Values[random.Next(Values.Length)]));
                break;
        }

        return root.ToJsonString();
    }

    private static JsonNode CreateLong(Random random) => random.Next(3) switch
    {
        0 => JsonValue.Create(new string('x', random.Next(100_000))),
        1 => new JsonArray([.. Enumerable.Range(0, random.Next(10_000)).Select(i => JsonValue.Create(i))]),
        _ => JsonNode.Parse($"{new string('[', 100)}{new string(']', 100)}")!,
    };

    private static void Remove(JsonNode node)
    {
        if (node.Parent is JsonObject parent)
            parent.Remove(node.GetPropertyName());
        else
            ((JsonArray)node.Parent!).RemoveAt(node.GetElementIndex());
    }

    /// <summary>Lists all values below a node, except null.</summary>
    private static IEnumerable<JsonNode> Descendants(JsonNode node)
    {
        var children = node switch
        {
            JsonObject properties => properties.Select(property => property.Value),
            JsonArray elements => elements,
            _ => [],
        };
        return children.OfType<JsonNode>().SelectMany(child => Descendants(child).Prepend(child));
    }
}
