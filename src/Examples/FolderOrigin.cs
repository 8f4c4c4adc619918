using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.Examples;

/// <summary>
/// Keeps, in a hidden file of an augmented folder, what decided its images and is not in its <c>metadata.csv</c>. Only
/// a command with the same photos and options completes the folder.
/// </summary>
internal static class FolderOrigin
{
    private const string FileName = ".augmentation.json";

    /// <summary>Returns whether a folder keeps the options of an augmentation.</summary>
    public static bool IsIn(string folder) => File.Exists(FindFile(folder));

    /// <summary>Writes the options into a new folder, or compares them with those that it was begun with.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="options">The value of each option.</param>
    /// <exception cref="InvalidOperationException">Some were others; the message names them and the folder.</exception>
    public static void Keep(string folder, Dictionary<string, string> options)
    {
        if (IsBegun(folder)) Check(folder, options);
        else OutputFiles.Write(FindFile(folder), file => File.WriteAllText(file, JsonSerializer.Serialize(options)));
    }

    /// <summary>Compares the options with those that a folder was begun with, if it was.</summary>
    /// <inheritdoc cref="Keep"/>
    public static void Check(string folder, Dictionary<string, string> options)
    {
        if (!IsBegun(folder)) return;

        var begun = Read(FindFile(folder));
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

    /// <summary>Returns the number of a folder's images, and their hash.</summary>
    /// <inheritdoc cref="Hash(string, IDataView)"/>
    public static string Describe(string folder, IDataView images)
    {
        var lines = ReadLines(folder, images);
        return $"{lines.Length} images (SHA-256 {Hash(lines)})";
    }

    /// <summary>Returns a hash of the names, labels and sizes of a folder's images.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="images">Its images, or those of its split train.</param>
    public static string Hash(string folder, IDataView images) => Hash(ReadLines(folder, images));

    private static string Hash(string[] lines) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(lines))));

    private static string[] ReadLines(string folder, IDataView images)
    {
        var names = images.GetColumn<string>("FileName").Zip(images.GetColumn<string>("Label"));
        return [.. names.Select(image => $"{image.First}\n{image.Second}\n{Size(image.First)}\n")];

        long Size(string name)
        {
            var file = new FileInfo(Path.Combine(folder, "train", name));
            if (!file.Exists) file = new(Path.Combine(folder, name));

            // The length of a link is that of its path.
            return file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target ? target.Length : file.Length;
        }
    }

    /// <summary>
    /// Returns the name of a file and a hash of its content, if it is there; "none" without a file.
    /// </summary>
    public static string Describe(string? file)
    {
        if (file is null) return "none";
        if (!File.Exists(file)) return $"{Path.GetFileName(file)} (new)";

        using var stream = File.OpenRead(file);
        return $"{Path.GetFileName(file)} (SHA-256 {Convert.ToHexStringLower(SHA256.HashData(stream))})";
    }

    /// <summary>Returns whether the images of a folder were begun: it has a <c>metadata.csv</c>.</summary>
    public static bool IsBegun(string folder) => File.Exists(Path.Combine(folder, "metadata.csv"));

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
