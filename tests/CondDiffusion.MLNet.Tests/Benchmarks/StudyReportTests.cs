using CondDiffusion.MLNet.Benchmarks;
using CondDiffusion.MLNet.Benchmarks.Augmentation;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class StudyReportTests
{
    private const string Empty = "before\n<!-- study: begin -->\n<!-- study: end -->\nafter\n";

    private static readonly StudyProtocol Protocol =
        StudyProtocol.Create("mnist", "4000,2000,1000,750,500,350,200,100,60,40");

    private static readonly StudyProtocol Trial = Protocol with { Generator = "shared", Guidance = 1.5 };

    [TestMethod]
    public void Update_DocumentOfTheRepository_IsWhatTheRowsSay()
    {
        var rows = JsonLines.ReadAll<StudyRow>(FindResults("augmentation"));
        var qualities = JsonLines.ReadAll<GeneratedQuality>(FindResults("augmentation-images"));
        var document = Repository.Read("docs/augmentation.md");
        Assert.AreEqual(StudyReport.Update(document, rows, qualities), document);
        foreach (var (name, plot) in StudyReport.DrawPlots(rows))
            Assert.AreEqual(plot, Repository.Read($"docs/{name}"), name);

        static string FindResults(string name) =>
            Path.Combine(Repository.Root, "benchmarks", "results", $"{name}.jsonl");
    }

    [TestMethod]
    public void Update_Again_ReplacesWhatWasThere()
    {
        var rows = Rows("oversampling", 0.9);
        var once = StudyReport.Update(Empty, rows, []);
        Assert.Contains("### MNIST, 4000 to 40 images of a label", once);
        Assert.Contains("(images/augmentation-mnist.svg)", once);
        Assert.AreEqual(once, StudyReport.Update(once, rows, []));
        Assert.AreEqual(Empty, StudyReport.Update(once, [], []));
        Assert.AreSequenceEqual(["images/augmentation-mnist.svg"], StudyReport.DrawPlots(rows).Keys);
    }

    [TestMethod]
    public void Update_OtherSteps_AreLeftOut()
    {
        StudyRow[] rows = [.. Rows("nothing", 0.9).Select(row => row with { Protocol = Protocol with { Steps = 20 } })];
        Assert.AreEqual(Empty, StudyReport.Update(Empty, rows, []));
        Assert.IsEmpty(StudyReport.DrawPlots(rows));
    }

    [TestMethod]
    public void Update_TwiceTheSteps_AreASectionWithoutAPlot()
    {
        var rows = Rows("affine", 0.9).Select(row => row with { Protocol = Protocol with { Steps = 4000 } });
        StudyRow[] all = [.. Rows("affine", 0.8), .. rows];
        var text = StudyReport.Update(Empty, all, []);
        Assert.Contains("### MNIST, 4000 to 40 images of a label\n\n2000 steps", text);
        Assert.Contains("| affine | 1 | **80.00** |", text);
        Assert.Contains("### MNIST, 4000 to 40 images of a label, twice the steps\n\n4000 steps", text);
        Assert.Contains("| affine | 1 | **90.00** |", text);
        Assert.HasCount(1, StudyReport.DrawPlots(all));
    }

    /// <summary>
    /// By hand: seed 1 has 2 points more than the study and seed 2 has 4, of which the interval is 12.706. Seed 3 has
    /// no row in the study.
    /// </summary>
    [TestMethod]
    public void Update_TrialOfAnotherGenerator_IsComparedWithTheStudy()
    {
        StudyRow[] rows =
        [
            .. Rows("generated", 0.9, 0.9),
            .. Rows("generated", 0.92, 0.94, 0.5).Select(row => row with { Protocol = Trial }),
            .. Rows("smote", 0.1, 0.1).Select(row => row with { Protocol = Trial with { Steps = 20 } }),
        ];
        var quality = Quality(Trial, [0.3, 0.5, .. Enumerable.Repeat<double?>(null, 8)]);
        var text = StudyReport.Update(Empty, rows, [quality]);
        Assert.Contains("| generated | 2 | **90.00 ± 0.00** |", text);
        Assert.Contains(
            "| MNIST | shared | 1.5 | generated | 3 | 78.67 ± 61.72 | +3.00 ± 12.71 | 40.0 | 40.0 |\n", text);
        Assert.DoesNotContain("| SMOTE |", text);
        Assert.DoesNotContain("Other generators", StudyReport.Update(Empty, rows[..2], []));
    }

    [TestMethod]
    [DataRow("<!-- study: begin -->\n")]
    [DataRow("<!-- study: end -->\n<!-- study: begin -->\n")]
    public void Update_DocumentWithoutBothLines_IsRefused(string document) => Throws.Saying<InvalidOperationException>(
        () => StudyReport.Update(document, [], []), "<!-- study: begin -->", "<!-- study: end -->");

    /// <summary>
    /// By hand. The differences 1, 2 and 1 have the mean 1.33 and the deviation 0.577: 4.303 x 0.577 / sqrt(3) = 1.43.
    /// Those of the affine arms, 1, 1.2 and 1.4, have 1.2 and 0.2, and so 0.50. Another seed of one arm has no pair.
    /// </summary>
    [TestMethod]
    public void Describe_Counts_HasMeansAndPairedDifferences()
    {
        var text = Describe(
        [
            .. Rows("affine-generated", 0.964, 0.962, 0.96).Reverse(), .. Rows("affine", 0.95, 0.95, 0.95, 0.1),
            .. Rows("oversampling", 0.90, 0.91, 0.92), .. Rows("generated", 0.91, 0.93, 0.93),
        ]);
        Assert.Contains("| oversampling | 3 | 91.00 ± 2.48 | 91.0 | 91.0 |", text);
        Assert.Contains("| affine, generated | 3 | **96.20 ± 0.50** |", text);
        Assert.Contains("| DeepSMOTE, [published](https://arxiv.org/abs/2105.02340) |  | 96.09 |", text);
        Assert.Contains("|  | oversampling | affine |\n| --- | --- | --- |\n| generated | +1.33 ± 1.43 |", text);
        Assert.Contains("**+1.20 ± 0.50** |\n\nThe same for each label", text);
        Assert.Contains("| generated minus oversampling | +1.33 ± 1.43 | +1.33 ± 1.43 |", text);
        Assert.Contains("| affine, generated minus affine | **+1.20 ± 0.50** |", text);
    }

    /// <summary>
    /// Beside 62,000 accepted images of two seeds, 1,000 were copies. Beside as many that were filtered, 31,000 were
    /// disputed and 500 were copies.
    /// </summary>
    [TestMethod]
    public void Describe_RefusedImages_AreFractionsOfAllThatWereGenerated()
    {
        StudyRow[] rows =
        [
            .. Rows("generated", 0.9, 0.9).Select(row => row with { Disputed = 0, Copied = 500 }),
            .. Rows("affine-generated", 0.9, 0.9).Select(row => row with { Disputed = 0, Copied = 500 }),
            .. Rows("affine-filtered-half", 0.9, 0.9).Select(row => row with { Disputed = 15_500, Copied = 250 }),
        ];
        var text = Describe(rows);
        Assert.Contains("Of all generated images, 1.6 % were near copies.", text);
        Assert.Contains("the classifier refused 33.2 % of them", text);
    }

    [TestMethod]
    public void Describe_Minority_HasTheRecallOfItsLabel()
    {
        var rows = new[] { "generated", "smote" }.SelectMany(arm => new[] { 40, 10 }.SelectMany(count =>
            Rows(arm, arm == "smote" ? 0.8 : 0.9).Select(row => row with
            {
                Protocol = StudyProtocol.Create(
                    "fashion-mnist", $"4000,{count},4000,4000,4000,4000,4000,4000,4000,4000"),
                Recalls = [1, row.Recalls[1] - 1.0 / count, 1, 1, 1, 1, 1, 1, 1, 1],
            })));
        var text = Describe([.. rows]);
        Assert.Contains("### Fashion-MNIST, few images of label 1, 4000 of each other label", text);
        Assert.Contains("| 10 images: label 1 | all labels | 40 images: label 1 | all labels |", text);
        Assert.Contains("| SMOTE | 1 | 70.00 | 97.00 | 77.50 | 97.75 |", text);
        Assert.Contains("| 10 images, generated | +10.00 |\n| 40 images, generated | +10.00 |", text);
    }

    /// <summary>One seed with 10 images of label 8, two with 40, and one with 20 that has no rows.</summary>
    [TestMethod]
    public void Describe_Qualities_AreMeansOfTheSeeds()
    {
        var rows = new[] { 40, 10 }.SelectMany(count =>
            Rows("generated", 0.9).Select(row => row with { Protocol = Rare(count) })).ToArray();
        var text = Describe(rows, Quality(10, 0.5), Quality(40, 0.25), Quality(40, 0.75), Quality(20, 0.1));
        Assert.Contains("|  | 8 (10) | 8 (40) |", text);
        Assert.Contains("| authentic, generated | 50.0 | 50.0 |", text);
        Assert.Contains("| authentic, test images | 40.0 | 40.0 |", text);
        Assert.Contains("| label seen | 90.0 | 90.0 |", text);
        Assert.DoesNotContain("authentic", Describe(rows));

        static StudyProtocol Rare(int count) =>
            StudyProtocol.Create("mnist", $"4000,4000,4000,4000,4000,4000,4000,4000,{count},4000");

        static GeneratedQuality Quality(int count, double authenticity) =>
            StudyReportTests.Quality(Rare(count), OfLabel8(authenticity)) with
            {
                TestAuthenticity = OfLabel8(authenticity - 0.1),
                LabelAccuracy = OfLabel8(0.9),
            };

        static double?[] OfLabel8(double value) => [.. Enumerable.Repeat<double?>(null, 8), value, null];
    }

    private static string Describe(IReadOnlyList<StudyRow> rows, params GeneratedQuality[] qualities) =>
        string.Join("\n\n", StudySection.Of(rows, qualities).Select(StudyTables.Describe));

    private static GeneratedQuality Quality(StudyProtocol protocol, double?[] values) => new()
    {
        Protocol = protocol,
        Seed = 1,
        Authenticity = values,
        TestAuthenticity = values,
        LabelAccuracy = values,
        Commit = "",
        Machine = "",
        Command = "",
    };

    /// <summary>Returns a row for each seed from 1, in which all labels have the same recall.</summary>
    private static IReadOnlyList<StudyRow> Rows(string arm, params double[] recalls) =>
    [
        .. recalls.Select((recall, i) => new StudyRow
        {
            Protocol = Protocol,
            Seed = i + 1,
            Arm = arm,
            Recalls = [.. Enumerable.Repeat(recall, 10)],
            Minutes = 1,
            Commit = "",
            Machine = "",
            Command = "",
        }),
    ];
}
