namespace CondDiffusion.MLNet.Tests;

/// <summary>Dependencies point one way, and ML.NET's internals are used in two files: read off the sources' own words.</summary>
[TestClass]
public sealed class LayerTests
{
    private const string Library = "CondDiffusion.MLNet";

    [TestMethod]
    [DataRow("Diffusion", "Microsoft.ML", $"{Library}.Network", $"{Library}.Training", $"{Library}.Data", $"{Library}.Imaging")]
    [DataRow("Network", "Microsoft.ML", $"{Library}.Diffusion", $"{Library}.Training", $"{Library}.Data", $"{Library}.Imaging")]
    [DataRow("Training", $"{Library}.Data", $"{Library}.Imaging")]
    [DataRow("Data", "TorchSharp", $"{Library}.Network", $"{Library}.Diffusion", $"{Library}.Training")]
    [DataRow("Imaging", "TorchSharp", $"{Library}.Network", $"{Library}.Diffusion", $"{Library}.Training")]
    public void Folder_Usings_PointDownwards(string folder, params string[] forbidden)
    {
        foreach (var (file, text) in Sources(folder))
            foreach (var name in forbidden)
                Assert.DoesNotContain($"using {name}", text.Replace("using static ", "using ", StringComparison.Ordinal), $"{file} must not know {name}");
    }

    [TestMethod]
    public void Training_OneFile_ReadsDataViews() =>
        Assert.AreSequenceEqual(["TrainingDataReader.cs"], FilesWith("using Microsoft.ML", "Training"));

    [TestMethod]
    public void Internals_TwoFiles_UseThem()
    {
        string[] internals = ["LoadableClass(", "ModelLoadContext", "VersionInfo ", "IHostEnvironmentInternal", "SchemaShape.Create(", "ExceptDecode(", "ExceptSchemaMismatch("];
        var users = internals.SelectMany(name => FilesWith(name, "")).Distinct().Order(StringComparer.Ordinal);
        Assert.AreSequenceEqual(["MLNetInternals.cs", "ModelFile.cs"], users);
    }

    private static IEnumerable<string> FilesWith(string word, string folder) =>
        Sources(folder).Where(source => source.Text.Contains(word, StringComparison.Ordinal)).Select(source => source.File);

    private static (string File, string Text)[] Sources(string folder)
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "CondDiffusion.sln"))) root = root.Parent!;
        var library = Path.Combine(root.FullName, "src", Library);
        var found = Directory.GetFiles(Path.Combine(library, folder), "*.cs", SearchOption.AllDirectories)
            .Where(file => !Path.GetRelativePath(library, file).StartsWith("obj", StringComparison.Ordinal))
            .Select(file => (Path.GetFileName(file), File.ReadAllText(file))).ToArray();
        Assert.IsNotEmpty(found);
        return found;
    }
}
