namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Finds data sets that are not part of the repository.</summary>
internal static class TestData
{
    /// <summary>
    /// The directory of a data set such as "mnist": in the directory that the environment variable CONDDIFFUSION_DATA names, else in
    /// data/ or shared/data/ beside or above the tests. Where there is none, the calling test is inconclusive.
    /// </summary>
    public static string Find(string name)
    {
        var root = Environment.GetEnvironmentVariable("CONDDIFFUSION_DATA");
        var found = root is not null ? [Path.Combine(root, name)] : Above(AppContext.BaseDirectory)
            .SelectMany(directory => new[] { Path.Combine(directory, "data", name), Path.Combine(directory, "shared", "data", name) });
        var data = found.FirstOrDefault(Directory.Exists);
        if (data is null)
        {
            Assert.Inconclusive($"This test needs the data set '{name}': name the directory that holds '{name}' " +
                "in the environment variable CONDDIFFUSION_DATA, or put it in data/ in the repository.");
        }

        return data;
    }

    private static IEnumerable<string> Above(string path)
    {
        for (var directory = new DirectoryInfo(path); directory is not null; directory = directory.Parent)
            yield return directory.FullName;
    }
}
