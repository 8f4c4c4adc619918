using System.Security.Cryptography;
using System.Text.Json;

namespace CondDiffusion.Examples;

/// <summary>
/// Keeps, in a hidden file of an augmented folder, the options that decided its images and that its
/// <c>metadata.csv</c> does not show. Only a command with the same options completes the folder.
/// </summary>
internal static class FolderOrigin
{
    private const string FileName = ".augmentation.json";

    /// <summary>Returns whether a folder keeps the options of an augmentation.</summary>
    public static bool IsIn(string folder) => File.Exists(FindFile(folder));

    /// <summary>Writes the options into a new folder, or compares them with those that it was begun with.</summary>
    /// <param name="folder">The folder. It was begun if it has a <c>metadata.csv</c>.</param>
    /// <param name="options">The value of each option.</param>
    /// <exception cref="InvalidOperationException">Some were others; the message names them and the folder.</exception>
    public static void Keep(string folder, Dictionary<string, string> options)
    {
        var file = FindFile(folder);
        if (!File.Exists(Path.Combine(folder, "metadata.csv")))
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

    private static string FindFile(string folder) => Path.Combine(folder, FileName);

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
