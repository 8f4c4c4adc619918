using System.Text.RegularExpressions;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>
/// Checks that every C# block of the documents is a region of a test that runs it, between "// snippet: name" and "//
/// end".
/// </summary>
[TestClass]
public sealed partial class SnippetTests
{
    public static IEnumerable<string> Documents =>
        Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md")
            .Append(Path.Combine(Repository.Root, "README.md"))
            .Select(file => Path.GetRelativePath(Repository.Root, file));

    [TestMethod]
    [DynamicData(nameof(Documents))]
    public void Document_CSharpBlocks_AreRunByATest(string document)
    {
        var folder = Path.Combine(Repository.Root, "tests", "CondDiffusion.MLNet.Tests", "Docs");
        var tested = Directory.GetFiles(folder, "*.cs")
            .SelectMany(file => Region().Matches(Repository.Read(file)))
            .Select(Content)
            .ToHashSet();
        foreach (Match block in Block().Matches(Repository.Read(document)))
        {
            Assert.Contains(
                Content(block), tested, $"{document}: no test in {folder} runs this block:\n{Content(block)}");
        }
    }

    [TestMethod]
    public void Content_IndentedRegion_IsTheBlockWithoutTheIndent()
    {
        var region = Region().Match("    // snippet: x\n        a(\n            b);\n\n        c();\n        // end\n");
        Assert.AreEqual("a(\n    b);\n\nc();", Content(region));
        Assert.AreEqual(Content(region), Content(Block().Match("text\n```csharp\na(\n    b);\n\nc();\n```\n")));
    }

    private static string Content(Match match)
    {
        var lines = match.Groups["content"].Value.TrimEnd().Split('\n');
        var indent = lines.Where(line => line.Trim().Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', lines.Select(line => line.Length > indent ? line[indent..] : ""));
    }

    [GeneratedRegex(@"^ *// snippet: .*\n(?<content>(?s:.*?))^ *// end$", RegexOptions.Multiline)]
    private static partial Regex Region();

    [GeneratedRegex(@"^```csharp\n(?<content>(?s:.*?))^```$", RegexOptions.Multiline)]
    private static partial Regex Block();
}
