using CondDiffusion.MLNet.Imaging;

namespace CondDiffusion.MLNet.Data;

/// <summary>Lists the images of a folder that has a directory for each label.</summary>
internal sealed class LabelDirectories
{
    private readonly Action _checkAlive;
    private readonly List<LabelledFile> _files = [];
    private readonly List<string> _empty = [];
    private int _passedOver;

    private LabelDirectories(Action checkAlive) => _checkAlive = checkAlive;

    /// <summary>Lists the images in a fixed order: that of their names, directory by directory.</summary>
    /// <param name="root">The folder.</param>
    /// <param name="checkAlive">Called for each file; it throws to stop the listing.</param>
    /// <param name="warn">
    /// Receives a warning of what is passed over, one of directories without images, and one of directories with the
    /// same label.
    /// </param>
    /// <exception cref="FormatException">
    /// An image is in no directory, or a file lists labels in a form that is not read; the message names it.
    /// </exception>
    public static IReadOnlyList<LabelledFile> Read(string root, Action checkAlive, Action<string> warn)
    {
        var directories = new LabelDirectories(checkAlive);
        directories.Add(new(root), prefix: "");
        if (directories._passedOver is > 0 and var count)
            warn($"files passed over, as they are hidden or not images: {count}.");
        if (directories._empty is { Count: > 0 } empty)
            warn($"directories without images: {ImageFolderLoader.Enumerate(empty)}.");
        if (FindLabelOfSeveral(directories._files) is { } label)
        {
            warn($"directories with the same label, '{label.Key}': {ImageFolderLoader.Enumerate([.. label])}. Where " +
                $"these are splits, choose one with {nameof(ImageFolderOptions.Split)}.");
        }

        return directories._files;
    }

    public static bool IsHidden(FileSystemInfo entry) =>
        entry.Name.StartsWith('.') || entry.Attributes.HasFlag(FileAttributes.Hidden);

    /// <summary>Returns a label that several directories have, with them.</summary>
    private static IGrouping<string, string>? FindLabelOfSeveral(List<LabelledFile> files) => files
        .Select(file => (file.Label, Directory: file.Name[..file.Name.LastIndexOf('/')]))
        .Distinct()
        .GroupBy(file => file.Label, file => file.Directory)
        .FirstOrDefault(label => label.Count() > 1);

    private void Add(DirectoryInfo directory, string prefix)
    {
        ImageFolderMetadata.RefuseOtherForms(directory.FullName);
        var before = _files.Count;
        foreach (var entry in directory.EnumerateFileSystemInfos().OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            _checkAlive();
            if (IsHidden(entry)) _passedOver++;
            else if (entry is DirectoryInfo inner) Add(inner, $"{prefix}{inner.Name}/");
            else if (!IsImage(entry)) _passedOver++;
            else if (prefix.Length > 0) _files.Add(new(prefix + entry.Name, directory.Name));
            else throw WithoutLabel(entry);
        }

        if (_files.Count == before && prefix.Length > 0) _empty.Add(prefix);
    }

    private static bool IsImage(FileSystemInfo entry) =>
        ImageFile.Extensions.Contains(entry.Extension, StringComparer.OrdinalIgnoreCase);

    private static FormatException WithoutLabel(FileSystemInfo entry) => new(
        $"'{entry.FullName}' has no label: expected it in a directory that has the label as its name, or a " +
        $"{ImageFolderMetadata.FileName} beside it.");
}
