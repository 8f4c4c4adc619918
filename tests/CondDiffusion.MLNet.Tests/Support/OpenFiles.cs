namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Counts this process's open files, as Linux lists them.</summary>
internal static class OpenFiles
{
    /// <summary>
    /// Returns how many times a directory and its files are open, including files that were deleted since.
    /// </summary>
    public static int In(string directory) =>
        new DirectoryInfo("/proc/self/fd").GetFileSystemInfos()
            .Count(link => link.LinkTarget?.StartsWith(directory, StringComparison.Ordinal) == true);
}
