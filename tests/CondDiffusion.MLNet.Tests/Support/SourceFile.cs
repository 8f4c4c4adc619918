using System.Text.RegularExpressions;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>
/// A source file of the library: what its code declares, and which words it has outside comments and strings.
/// </summary>
internal sealed partial class SourceFile
{
    private static readonly string Library = System.IO.Path.Combine(Repository.Root, "src", "CondDiffusion.MLNet");

    private SourceFile(string path, string text)
    {
        Path = path;
        Code = Strip(text);
        Words = FindWords(Code).ToHashSet();
        Types = [.. DeclaredTypes(Code)];
    }

    /// <summary>All source files of the library.</summary>
    public static IReadOnlyList<SourceFile> All { get; } =
    [
        .. Directory.GetFiles(Library, "*.cs", SearchOption.AllDirectories)
            .Select(file => System.IO.Path.GetRelativePath(Library, file).Replace('\\', '/'))
            .Where(path => !path.StartsWith("obj/", StringComparison.Ordinal))
            .Where(path => !path.StartsWith("bin/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(path => new SourceFile(path, File.ReadAllText(System.IO.Path.Combine(Library, path)))),
    ];

    /// <summary>Path within the library, such as "Network/UNetShape.cs".</summary>
    public string Path { get; }

    /// <summary>Name of the folder that the file is in, or "root".</summary>
    public string Room => Path.Split('/') is [var folder, _, ..] ? folder : "root";

    /// <summary>The text without comments and without the text of strings.</summary>
    public string Code { get; }

    /// <summary>The words of the code that may be names of types.</summary>
    public IReadOnlySet<string> Words { get; }

    /// <summary>The types that the file declares, without nested ones.</summary>
    public IReadOnlyList<(string Namespace, bool IsPublic, string Name)> Types { get; }

    /// <summary>Removes comments and strings; of interpolated strings, what stands in braces stays.</summary>
    public static string Strip(string text) => Comment().Replace(text, match =>
        string.Concat(match.Groups["hole"].Captures.Select(hole => $" {Strip(hole.Value)} ")));

    /// <summary>
    /// Returns the words that may be names of types: all but the names of properties, of overriding members and of
    /// members of variables, which may have the name of a type that they have nothing to do with.
    /// </summary>
    public static IEnumerable<string> FindWords(string code) => Word().Matches(code).Select(match => match.Value);

    private static IEnumerable<(string Namespace, bool IsPublic, string Name)> DeclaredTypes(string code)
    {
        // Nested types are indented further than the types of a namespace, which are indented only in a namespace with
        // braces.
        var indent = NamespaceWithBraces().IsMatch(code) ? 4 : 0;
        var current = "";
        foreach (Match match in Declaration().Matches(code))
        {
            if (match.Groups["namespace"] is { Success: true } found)
                current = found.Value;
            else if (match.Groups["indent"].Length == indent)
                yield return (current, match.Groups["access"].Value == "public", match.Groups["name"].Value);
        }
    }

    // Characters are matched too: one may be a quotation mark.
    [GeneratedRegex(""""
        //.*
        | /\*(?s:.*?)\*/
        | '(?:\\.[^']*|[^'\\])'
        | \$*"""(?s:.*?)"""
        | @"(?:""|[^"])*"
        | \$@?"(?:\\.|\{\{|(?<hole>\{(?:[^{}"]|"[^"]*")*\})|[^"\\])*"
        | "(?:\\.|[^"\\])*"
        """", RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Comment();

    [GeneratedRegex(
        @"(?<!(?:\b[a-z_]\w*|[)\]])[?!]?\s*\.\s*|\boverride \S+ )" +
        @"\b[A-Za-z_]\w*\b(?!\s*(?:=(?![=>])|\{\s*get\b))")]
    private static partial Regex Word();

    [GeneratedRegex(@"^namespace [\w.]+\s*\{", RegexOptions.Multiline)]
    private static partial Regex NamespaceWithBraces();

    [GeneratedRegex(
        @"^namespace (?<namespace>[\w.]+)|" +
        @"^(?<indent> *)(?<access>public|internal|file) (?:[a-z]+ )*" +
        @"(?:class|struct|record|interface|enum|delegate \S+) (?<name>\w+)",
        RegexOptions.Multiline)]
    private static partial Regex Declaration();
}
