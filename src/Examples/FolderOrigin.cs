using System.Security.Cryptography;
using System.Text.Json;

namespace CondDiffusion.Examples;

/// <summary>
/// What decided the images of an augmented folder besides its <c>metadata.csv</c>: a hidden file keeps it there, so
/// that only a command with the same options completes the folder.
/// </summary>
internal static class FolderOrigin
{
    private const string FileName = ".augmentation.json";

    /// <summary>Writes the options into a folder, or compares them with those that it was begun with.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="options">The value of each option.</param>
    /// <exception cref="InvalidOperationException">Some were others; the message names them and the folder.</exception>
    public static void Keep(string folder, Dictionary<string, string> options)
    {
        var file = Path.Combine(folder, FileName);
        if (!File.Exists(file))
        {
            OutputFiles.Write(file, temporary => File.WriteAllText(temporary, JsonSerializer.Serialize(options)));
            return;
        }

        var begun = Read(file);
        string[] differences =
        [
            .. options.Where(option => begun.GetValueOrDefault(option.Key) != option.Value)
                .Select(option => $"{option.Key} was {begun.GetValueOrDefault(option.Key)} and is {option.Value}"),
        ];
        if (differences.Length == 0) return;

        throw new InvalidOperationException(
            $"'{folder}' was begun with other options: {string.Join("; ", differences)}. Use the same ones, or " +
            "another folder.");
    }

    /// <summary>Returns the name of a file and a hash of its content; "none" without a file.</summary>
    public static string Describe(string? file)
    {
        if (file is null) return "none";

        using var stream = File.OpenRead(file);
        return $"{Path.GetFileName(file)} (SHA-256 {Convert.ToHexStringLower(SHA256.HashData(stream))})";
    }

    private static Dictionary<string, string> Read(string file)
    {
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(file)) ?? [];
        }
        catch (JsonException exception)
        {
            throw new FormatException(
                $"'{file}' cannot be read: expected the options of an augmentation.", exception);
        }
    }
}
