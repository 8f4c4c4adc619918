using System.Runtime.InteropServices;

namespace CondDiffusion.MLNet.Files;

/// <summary>Writes files that are there completely or not at all, even after a power cut.</summary>
internal static partial class AtomicFile
{
    /// <summary>
    /// Has a file written under a hidden temporary name in its directory, with its extension, makes it durable, and
    /// renames it. Whatever fails leaves no temporary file.
    /// </summary>
    /// <param name="path">The final path.</param>
    /// <param name="replace">Whether a file of that path is replaced.</param>
    /// <param name="write">Writes the file of a temporary path.</param>
    /// <exception cref="IOException">
    /// There is a file of that path, which is not to be replaced; or the file cannot be written.
    /// </exception>
    public static void Write(string path, bool replace, Action<string> write)
    {
        // Whoever reads the directory meanwhile, or after a crash, passes a hidden file over.
        var directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var temporary = Path.Combine(directory, $".{Path.GetRandomFileName()}{Path.GetExtension(path)}");
        Write(temporary, WriteTemporary, replace);

        string WriteTemporary()
        {
            write(temporary);
            return path;
        }
    }

    /// <summary>
    /// Has a file written under a temporary name, makes it durable, and renames it. Whatever fails leaves no temporary
    /// file.
    /// </summary>
    /// <param name="temporary">The temporary path, in the directory of the final one.</param>
    /// <param name="write">Writes the temporary file and returns the final path.</param>
    /// <param name="replace">Whether a file of the final path is replaced; otherwise it is an error.</param>
    /// <returns>The final path.</returns>
    public static string Write(string temporary, Func<string> write, bool replace = true)
    {
        try
        {
            var path = write();
            using (var handle = File.OpenHandle(temporary, FileMode.Open, FileAccess.ReadWrite))
                RandomAccess.FlushToDisk(handle);

            File.Move(temporary, path, overwrite: replace);
            TrySyncDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            return path;
        }
        finally
        {
            TryDelete(temporary);
        }
    }

    /// <summary>
    /// Makes the names in a directory durable: it is a file of its own, and .NET has no way to flush one. Windows
    /// journals renames by itself.
    /// </summary>
    /// <returns>
    /// Whether it did: some file systems cannot do it. The content of the files is durable in any case.
    /// </returns>
    internal static bool TrySyncDirectory(string directory)
    {
        const int ReadOnly = 0; // O_RDONLY
        if (OperatingSystem.IsWindows()) return false;

        try
        {
            var descriptor = Open(directory, ReadOnly);
            if (descriptor < 0) return false;

            var result = Sync(descriptor);
            _ = Close(descriptor);
            return result == 0;
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    /// <summary>Deletes a file if it is there and nothing prevents it: an error here would hide another one.</summary>
    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (FileErrors.IsOne(exception))
        {
        }
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
