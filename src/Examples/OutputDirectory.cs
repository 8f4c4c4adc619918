namespace CondDiffusion.Examples;

/// <summary>Directories that a command writes to.</summary>
internal static class OutputDirectory
{
    /// <summary>Creates a directory where it is missing, and throws where no file can be written there.</summary>
    /// <exception cref="IOException">It cannot be created or written.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be created or written.</exception>
    public static void Check(string directory)
    {
        Directory.CreateDirectory(directory);
        var probe = Path.Combine(directory, $".{Guid.NewGuid():N}.tmp");
        using var created = File.Create(probe, 1, FileOptions.DeleteOnClose);
    }
}
