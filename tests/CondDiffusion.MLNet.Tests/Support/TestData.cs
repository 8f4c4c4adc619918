namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Finds data sets that are not part of the repository.</summary>
internal static class TestData
{
    /// <summary>
    /// Returns the directory of a data set such as "mnist": in the directory that the environment variable
    /// CONDDIFFUSION_DATA names, else in data/ or shared/data/ beside or above the tests. Where there is none, the
    /// calling test is inconclusive.
    /// </summary>
    public static string Find(string name)
    {
        var data = Candidates().Select(directory => Path.Combine(directory, name)).FirstOrDefault(Directory.Exists);
        if (data is null)
        {
            Assert.Inconclusive(
                $"This test needs the data set '{name}': name the directory that holds '{name}' " +
                "in the environment variable CONDDIFFUSION_DATA, or put it in data/ in the repository.");
        }

        return data;
    }

    private static IEnumerable<string> Candidates() =>
        Environment.GetEnvironmentVariable("CONDDIFFUSION_DATA") is { } named
            ? [named]
            : Repository.Above().SelectMany(directory => new[]
            {
                Path.Combine(directory, "data"),
                Path.Combine(directory, "shared", "data"),
            });
}
