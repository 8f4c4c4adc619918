using System.Text.Json;
using System.Text.Json.Serialization;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>A results file: a JSON object in each line, which an interrupted run leaves as it is.</summary>
internal static class JsonLines
{
    private static readonly JsonSerializerOptions Json = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>Reads a results file, which need not exist.</summary>
    public static IReadOnlyList<T> ReadAll<T>(string file) => File.Exists(file)
        ? [.. File.ReadLines(file).Select(line => JsonSerializer.Deserialize<T>(line, Json)!)]
        : [];

    /// <summary>Adds a row to a results file.</summary>
    public static void Append<T>(string file, T row)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        File.AppendAllText(file, JsonSerializer.Serialize(row, Json) + "\n");
    }
}
