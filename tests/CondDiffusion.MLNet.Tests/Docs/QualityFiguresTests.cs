using System.Globalization;
using System.Text.RegularExpressions;
using CondDiffusion.MLNet.Benchmarks;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Checks that the figures of generated images in the documents are those of the results file.</summary>
[TestClass]
public sealed partial class QualityFiguresTests
{
    /// <summary>A row of means over three seeds; the results file has two of them, under another name.</summary>
    private static readonly string[] Incomplete = ["defaults | 87.4 %", "defaults, 3 seeds | 87.4 %"];

    private static readonly Dictionary<string, Func<QualityRow, double?>> Columns = new()
    {
        ["label accuracy"] = row => 100 * row.LabelAccuracy,
        ["Fréchet"] = row => row.Frechet,
        ["precision"] = row => row.Precision,
        ["recall"] = row => row.Recall,
        ["coverage"] = row => row.Coverage,
        ["authenticity"] = row => row.Authenticity,
        ["CAS"] = row => 100 * row.Score,
    };

    private static readonly QualityRow[] Results =
        [.. JsonLines.ReadAll<QualityRow>(Path.Combine(Repository.Root, "benchmarks", "results", "quality.jsonl"))];

    [TestMethod]
    [DataRow("docs/benchmarks.md", 46)]
    [DataRow("docs/training.md", 9)]
    public void Tables_OfGeneratedImages_HaveTheFiguresOfTheResults(string file, int rows)
    {
        // Those of one training, and of all trainings that differ in the seed alone.
        QualityRow[][] measured =
        [
            .. Results.Select(row => new[] { row }),
            .. Results
                .GroupBy(row => (Seed().Replace(row.Name, ""), row.Images, row.Size))
                .Select(seeds => seeds.ToArray()),
        ];
        var found = 0;
        foreach (var (line, figures) in ReadTables(file))
        {
            found++;
            Assert.IsGreaterThan(2, figures.Length, line);
            if (Incomplete.Any(line.Contains)) continue;

            Assert.IsTrue(
                measured.Any(seeds => figures.All(figure => figure.IsMeanOf(seeds))),
                $"{file}: no row of the results has the figures of {line}");
        }

        Assert.AreEqual(rows, found);
    }

    /// <summary>Returns the rows of tables that have a column of distances and others of such figures.</summary>
    private static IEnumerable<(string Line, Figure[] Figures)> ReadTables(string file)
    {
        string[]? head = null;
        foreach (var line in Repository.Read(file).Split('\n'))
        {
            string[] cells = [.. line.Trim('|').Split('|').Select(cell => cell.Trim())];
            if (!line.StartsWith('|')) head = null;
            else if (head is null) head = cells;
            else if (head.Contains("Fréchet") && head.Count(Columns.ContainsKey) >= 3 && !line.StartsWith("| ---"))
            {
                Figure[] figures =
                [
                    .. head.Zip(cells)
                        .Where(cell => Columns.ContainsKey(cell.First) && cell.Second.Length > 0)
                        .Select(cell => new Figure(cell.First, Number().Match(cell.Second).Value)),
                ];
                yield return (line, figures);
            }
        }
    }

    [GeneratedRegex(@", seed \d+")]
    private static partial Regex Seed();

    [GeneratedRegex(@"[\d.]+")]
    private static partial Regex Number();

    /// <summary>A number of a column, as a document has it.</summary>
    private sealed record Figure(string Column, string Text)
    {
        /// <summary>Returns whether the number is the mean of some rows, rounded.</summary>
        public bool IsMeanOf(QualityRow[] rows)
        {
            var decimals = Text.Contains('.', StringComparison.Ordinal) ? Text.Length - Text.IndexOf('.') - 1 : 0;
            var mean = rows.Average(Columns[Column]);
            return mean is { } value && Math.Abs(value - double.Parse(Text, CultureInfo.InvariantCulture))
                <= 0.5 * Math.Pow(10, -decimals) + 1e-9;
        }
    }
}
