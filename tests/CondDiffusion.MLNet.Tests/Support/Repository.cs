namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Finds the repository that these tests were built in.</summary>
internal static class Repository
{
    /// <summary>The directory that holds the solution.</summary>
    public static string Root { get; } =
        Above().First(directory => File.Exists(Path.Combine(directory, "CondDiffusion.sln")));

    /// <summary>Returns the directory of the built tests and all those above it, the nearest first.</summary>
    public static IEnumerable<string> Above()
    {
        for (var path = AppContext.BaseDirectory; path is not null; path = Path.GetDirectoryName(path))
            yield return path;
    }

    /// <summary>Reads a text file of the repository, with line feeds alone at the ends of its lines.</summary>
    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path)).ReplaceLineEndings("\n");
}
