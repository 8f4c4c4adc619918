using CondDiffusion.MLNet.Benchmarks;
using CondDiffusion.MLNet.Benchmarks.Augmentation;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Checks what docs/augmentation.md says of its tables, by the rows of the study.</summary>
[TestClass]
public sealed class StudyConclusionsTests
{
    private static readonly IReadOnlyList<StudyRow> Rows =
        JsonLines.ReadAll<StudyRow>(Path.Combine(Repository.Root, "benchmarks", "results", "augmentation.jsonl"));

    private static readonly IReadOnlyList<GeneratedQuality> Qualities = JsonLines.ReadAll<GeneratedQuality>(
        Path.Combine(Repository.Root, "benchmarks", "results", "augmentation-images.jsonl"));

    private static readonly StudySection Garments = Section("fashion-mnist");

    private static readonly StudySection GarmentsLong = Section("fashion-mnist", isLong: true);

    private static readonly StudyArm Half = StudyArm.Find("affine-generated-half");

    private static readonly StudyArm Filtered = StudyArm.Find("affine-filtered-half");

    [TestMethod]
    [DataRow("mnist")]
    [DataRow("fashion-mnist")]
    public void Affine_GainsMoreThanEveryOtherArmWithoutAGenerator(string data)
    {
        var section = Section(data);
        var others = section.Arms.Where(arm => arm.WithoutGenerated is null && arm != StudyArm.Affine).ToArray();
        Assert.HasCount(4, others);
        foreach (var arm in others)
            Assert.IsGreaterThan(0, Difference(section, StudyArm.Affine, arm), arm.Name);
    }

    [TestMethod]
    [DataRow("mnist")]
    [DataRow("fashion-mnist")]
    public void GeneratedImages_AddToAffine(string data) =>
        Assert.IsGreaterThan(0, Difference(Section(data), Half, StudyArm.Affine));

    /// <summary>The numbers of docs/augmentation.md and of the README are those of the rows.</summary>
    [TestMethod]
    public void GeneratedImages_Gains_AreAsTheDocumentsSay()
    {
        var gain = Gain(Garments, Garments);
        var longGain = Gain(GarmentsLong, GarmentsLong);
        var bestGain = Gain(GarmentsLong, Garments);
        var affine = 100 * Garments.Mean(StudyArm.Affine, row => row.MeanRecall)!.Value.Mean;
        var document = Words("docs/augmentation.md");
        Assert.Contains($"{gain} points of mean recall in 2,000 steps, and {longGain} in 4,000", document);
        Assert.Contains($"gains {bestGain} points with 4,000 steps over *affine* with 2,000", document);
        Assert.Contains(
            $"a mean recall of {affine:F1} %. Generated images add {gain} points, and {longGain} where",
            Words("README.md"));
        Assert.HasCount(5, Garments.Of(Half));
        Assert.HasCount(5, GarmentsLong.Of(Half));

        static string Gain(StudySection half, StudySection affine)
        {
            var gain = StudySection.Difference(half.Of(Half), affine.Of(StudyArm.Affine), row => row.MeanRecall);
            return $"{100 * gain!.Value.Mean:F1} ± {100 * gain.Value.HalfWidth:F1}";
        }

        static string Words(string file) =>
            string.Join(' ', Repository.Read(file).Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
    }

    [TestMethod]
    public void LongerTraining_HarmsAffineAlone()
    {
        Assert.IsLessThan(0, Change(StudyArm.Affine));
        Assert.IsGreaterThan(-0.001, Change(Half));

        static double Change(StudyArm arm) =>
            StudySection.Difference(GarmentsLong.Of(arm), Garments.Of(arm), row => row.MeanRecall)!.Value.Mean;
    }

    /// <summary>The labels with 100 images and more are 1 to 7.</summary>
    [TestMethod]
    [DataRow("mnist")]
    [DataRow("fashion-mnist")]
    public void Images_OfLabelsWithAHundredOrMore_AreAsAuthenticAsTestImages(string data)
    {
        var measured = Qualities.Where(row => row.Protocol == Section(data).Protocol).ToArray();
        Assert.IsNotEmpty(measured);
        foreach (var label in Enumerable.Range(1, 7))
        {
            Assert.IsGreaterThanOrEqualTo(
                measured.Average(row => row.TestAuthenticity[label]!.Value),
                measured.Average(row => row.Authenticity[label]!.Value),
                $"{label}");
        }
    }

    [TestMethod]
    public void Images_OfSixtyBags_AreLessAuthenticThanTestImages()
    {
        var measured = Qualities.Where(row => row.Protocol == Garments.Protocol).ToArray();
        Assert.IsLessThan(
            measured.Average(row => row.TestAuthenticity[8]!.Value),
            measured.Average(row => row.Authenticity[8]!.Value));
    }

    [TestMethod]
    public void GeneratedImages_HelpTheShirtsMost()
    {
        double[] gains =
        [
            .. Enumerable.Range(0, StudyImages.Labels).Select(label =>
                Garments.Difference(Half, StudyArm.Affine, row => row.Recalls[label])!.Value.Mean),
        ];
        Assert.AreEqual(6, gains.IndexOf(gains.Max()));
        Assert.IsLessThan(0, gains[0], "T-shirts");
        Assert.IsLessThan(0, gains[2], "pullovers");
    }

    [TestMethod]
    public void HalfReal_GainsMoreThanAllEquallyOften() =>
        Assert.IsGreaterThan(0, Difference(Garments, Half, StudyArm.Find("affine-generated")));

    [TestMethod]
    public void Filter_GainsNothing() => Assert.IsLessThan(0, Difference(Garments, Filtered, Half));

    [TestMethod]
    public void OtherGenerators_MakeLittleDifference()
    {
        var trials = Rows.Where(row => !row.Protocol.IsOfStudy && row.Protocol.Untried.HasPublishedCounts).ToArray();
        Assert.IsNotEmpty(trials);
        foreach (var trial in trials)
        {
            var study = Rows.Single(row =>
                row.Protocol == trial.Protocol.Untried && (row.Seed, row.Arm) == (trial.Seed, trial.Arm));
            Assert.AreEqual(study.MeanRecall, trial.MeanRecall, 0.005, $"{trial}");
        }
    }

    private static StudySection Section(string data, bool isLong = false) => StudySection.Of(
        Rows.Where(row => row.Protocol is { IsOfStudy: true, HasPublishedCounts: true })
            .Where(row => row.Protocol.Data == data && row.Protocol.IsLong == isLong),
        []).Single();

    private static double Difference(StudySection section, StudyArm arm, StudyArm baseline) =>
        section.Difference(arm, baseline, row => row.MeanRecall)!.Value.Mean;
}
