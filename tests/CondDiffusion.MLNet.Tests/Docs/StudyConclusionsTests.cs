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

    private static readonly StudySection Garments = Section("fashion-mnist");

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

    private static StudySection Section(string data) => StudySection.Of(
        Rows.Where(row => row.Protocol is { IsOfStudy: true, HasPublishedCounts: true, IsLong: false })
            .Where(row => row.Protocol.Data == data),
        []).Single();

    private static double Difference(StudySection section, StudyArm arm, StudyArm baseline) =>
        section.Difference(arm, baseline, row => row.MeanRecall)!.Value.Mean;
}
