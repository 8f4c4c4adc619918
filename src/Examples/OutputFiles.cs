namespace CondDiffusion.Examples;

/// <summary>Files that a command writes, and their directories.</summary>
internal static class OutputFiles
{
    /// <summary>Creates a directory where it is missing, and throws where no file can be written there.</summary>
    /// <exception cref="IOException">It cannot be created or written.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be created or written.</exception>
    public static void CheckDirectory(string directory)
    {
        Directory.CreateDirectory(directory);
        var probe = Path.Combine(directory, $".{Guid.NewGuid():N}.tmp");
        using var created = File.Create(probe, 1, FileOptions.DeleteOnClose);
    }

    /// <summary>
    /// Has a file written under a hidden temporary name beside it, and renames it: it is there whole or not at all,
    /// even after a power cut.
    /// </summary>
    /// <param name="file">The file, which is replaced if it exists.</param>
    /// <param name="write">Writes the file of a temporary path.</param>
    public static void Write(string file, Action<string> write)
    {
        var directory = Path.GetDirectoryName(Path.GetFullPath(file))!;
        var temporary = Path.Combine(directory, $".{Guid.NewGuid():N}.tmp");
        try
        {
            write(temporary);
            using (var handle = File.OpenHandle(temporary, access: FileAccess.ReadWrite))
                RandomAccess.FlushToDisk(handle);
            File.Move(temporary, file, overwrite: true);
        }
        catch
        {
            if (File.Exists(temporary)) File.Delete(temporary);
            throw;
        }
    }
}
