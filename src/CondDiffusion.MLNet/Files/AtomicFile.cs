using System.Runtime.InteropServices;

namespace CondDiffusion.MLNet.Files;

/// <summary>Writes files that are there completely or not at all, even after a power cut.</summary>
internal static partial class AtomicFile
{
    /// <summary>
    /// Has a file written under a temporary name, makes it durable, and renames it; a file of the final name is replaced. Whatever fails
    /// leaves no temporary file.
    /// </summary>
    /// <param name="temporary">The temporary path, in the directory of the final one.</param>
    /// <param name="write">Writes the temporary file and returns the final path.</param>
    /// <returns>The final path.</returns>
    public static string Write(string temporary, Func<string> write)
    {
        try
        {
            var path = write();
            using (var handle = File.OpenHandle(temporary, FileMode.Open, FileAccess.ReadWrite))
                RandomAccess.FlushToDisk(handle);

            File.Move(temporary, path, overwrite: true);
            SyncDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            return path;
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>
    /// Makes a rename durable: a directory is a file of its own, and .NET has no way to flush one. Windows journals renames by itself.
    /// </summary>
    private static void SyncDirectory(string directory)
    {
        const int ReadOnly = 0; // O_RDONLY
        if (OperatingSystem.IsWindows()) return;

        var descriptor = Open(directory, ReadOnly);
        if (descriptor < 0) return; // not every file system lets directories be opened; the file itself is durable

        _ = Sync(descriptor);
        _ = Close(descriptor);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int descriptor);
}
