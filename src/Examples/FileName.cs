namespace CondDiffusion.Examples;

/// <summary>Makes names of files from texts that anybody may have chosen.</summary>
internal static class FileName
{
    /// <summary>Gets how the system compares the names of files.</summary>
    public static StringComparison Comparison { get; } =
        OperatingSystem.IsLinux() ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase;

    /// <summary>Returns the text with hyphens for what the name of a file cannot have.</summary>
    public static string From(string text) =>
        string.Join('-', text.Split(Path.GetInvalidFileNameChars(), StringSplitOptions.RemoveEmptyEntries));
}
