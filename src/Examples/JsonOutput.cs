using System.Text.Json;
using System.Text.Json.Serialization;

namespace CondDiffusion.Examples;

/// <summary>Prints results for programs, as one JSON object.</summary>
internal static class JsonOutput
{
    private static readonly JsonSerializerOptions Options = new()
    {
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    public static void Write<T>(T result) => Console.WriteLine(JsonSerializer.Serialize(result, Options));
}
