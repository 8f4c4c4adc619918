namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>What Linux tells of this process's open files.</summary>
internal static class OpenFiles
{
    /// <summary>Files of a directory that are open, those without a name any more too.</summary>
    public static int In(string directory) =>
        new DirectoryInfo("/proc/self/fd").GetFiles().Count(file => file.LinkTarget?.StartsWith(directory, StringComparison.Ordinal) == true);
}
