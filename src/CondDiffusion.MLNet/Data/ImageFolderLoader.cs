using CondDiffusion.MLNet.Files;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using Microsoft.ML.Runtime;

namespace CondDiffusion.MLNet.Data;

/// <summary>Finds the images of a folder and their labels.</summary>
internal static class ImageFolderLoader
{
    /// <inheritdoc cref="DataExtensions.LoadImageFolder"/>
    public static ImageFolderRows Load(IHostEnvironment environment, string path, ImageFolderOptions options)
    {
        var host = environment.Register(nameof(ImageFolderLoader));
        using var channel = host.Start(nameof(Load));
        var directory = FindDirectory(Path.GetFullPath(path), options.Split);

        var files = File.Exists(ImageFolderMetadata.PathIn(directory))
            ? ImageFolderMetadata.Read(directory, CheckAlive)
            : LabelDirectories.Read(directory, CheckAlive, Warn);
        if (options.SkipBrokenImages) files = KeepIntact(directory, files, CheckAlive, Warn);
        else CheckFiles(directory, files, CheckAlive);

        if (files.Count == 0)
        {
            throw new FormatException(
                $"'{directory}' holds no images to load: expected a directory for each label with files of the kinds " +
                $"{string.Join(", ", ImageFile.Extensions)}, or a {ImageFolderMetadata.FileName} that lists them.");
        }

        var singles = files.CountBy(file => file.Label).Where(label => label.Value == 1).ToArray();
        if (singles.Length > 0)
            Warn($"labels with a single image: {Enumerate([.. singles.Select(label => label.Key)])}.");

        return new(directory, files);

        void Warn(string line) => channel.Warning(MessageSensitivity.None, $"'{directory}': {line}");

        void CheckAlive() => MLNetInternals.CheckAlive(host, options.CancellationToken);
    }

    /// <summary>Returns the first names of a list, for a message.</summary>
    public static string Enumerate(IReadOnlyList<string> names)
    {
        const int Shown = 10;
        return string.Join(", ", names.Take(Shown)) + (names.Count > Shown ? $", ... ({names.Count})" : "");
    }

    private static string FindDirectory(string directory, string? split)
    {
        if (!Directory.Exists(directory))
        {
            throw new DirectoryNotFoundException(
                $"The directory '{directory}' does not exist: expected a folder of images.");
        }

        if (split is null)
        {
            var train = Path.Combine(directory, "train");
            return IsSplit(train) ? train : directory;
        }

        split = Path.TrimEndingDirectorySeparator(split);
        if (split is "" or ".." || split != Path.GetFileName(split))
        {
            throw new ArgumentException(
                $"{nameof(ImageFolderOptions.Split)} is '{split}': expected the name of a directory in the folder, " +
                "or '.' for the folder itself.");
        }

        var found = Path.GetFullPath(Path.Combine(directory, split));
        if (Directory.Exists(found)) return found;

        string[] names = [.. Directory.EnumerateDirectories(directory).Select(each => Path.GetFileName(each)).Order()];
        throw new DirectoryNotFoundException(
            $"{nameof(ImageFolderOptions.Split)} is '{split}': expected a directory in '{directory}', found " +
            $"{(names.Length > 0 ? Enumerate(names) : "none")}.");
    }

    /// <summary>Returns whether a directory is a split; otherwise its images have its name as their label.</summary>
    private static bool IsSplit(string directory) =>
        File.Exists(ImageFolderMetadata.PathIn(directory)) ||
        (Directory.Exists(directory) &&
            !new DirectoryInfo(directory).EnumerateDirectories().All(LabelDirectories.IsHidden));

    private static void CheckFiles(string directory, IReadOnlyList<LabelledFile> files, Action checkAlive)
    {
        var missing = new List<string>();
        foreach (var file in files)
        {
            checkAlive();
            if (!File.Exists(Path.Combine(directory, file.Name))) missing.Add(file.Name);
        }

        if (missing.Count == 0) return;

        throw new FileNotFoundException(
            $"'{directory}' lacks {missing.Count} of the {files.Count} images that it should hold: " +
            $"{Enumerate(missing)}. Where {nameof(ImageFolder)}.{nameof(ImageFolder.Save)} was stopped, run it again.",
            Path.Combine(directory, missing[0]));
    }

    private static List<LabelledFile> KeepIntact(
        string directory, IReadOnlyList<LabelledFile> files, Action checkAlive, Action<string> warn)
    {
        var intact = new List<LabelledFile>();
        string? firstError = null;
        foreach (var file in files)
        {
            checkAlive();
            try
            {
                ImageFile.Read(Path.Combine(directory, file.Name)).Dispose();
                intact.Add(file);
            }
            catch (Exception exception) when (exception is FormatException || FileErrors.IsOne(exception))
            {
                firstError ??= exception.Message;
            }
        }

        if (firstError is not null)
            warn($"broken images skipped: {files.Count - intact.Count} of {files.Count}. The first: {firstError}");
        return intact;
    }
}
