namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Counts this process's open files, as Linux lists them.</summary>
internal static class OpenFiles
{
    /// <summary>Returns the number of open files of a directory, including those that were deleted since.</summary>
    public static int In(string directory) =>
        new DirectoryInfo("/proc/self/fd").GetFiles()
            .Count(file => file.LinkTarget?.StartsWith(directory, StringComparison.Ordinal) == true);
}
