namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Finds programs that are not part of the repository.</summary>
internal static class ExternalProgram
{
    /// <summary>Returns the path of a program. Where there is none, the calling test is inconclusive.</summary>
    public static string Find(string name)
    {
        var directories = Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator);
        var program = directories.Select(directory => Path.Combine(directory, name)).FirstOrDefault(File.Exists);
        if (program is null) Assert.Inconclusive($"This test needs the program '{name}'.");
        return program;
    }
}
