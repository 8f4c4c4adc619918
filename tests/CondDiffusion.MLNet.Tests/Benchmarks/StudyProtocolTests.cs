using CondDiffusion.Examples;
using CondDiffusion.MLNet.Benchmarks.Augmentation;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class StudyProtocolTests
{
    [TestMethod]
    public void Read_NoOptions_IsTheStudyOfPublishedCounts()
    {
        var protocol = Read().Single();
        Assert.AreSequenceEqual([4000, 2000, 1000, 750, 500, 350, 200, 100, 60, 40], protocol.CountsByLabel);
        Assert.IsTrue(protocol.IsOfStudy);
        Assert.IsNull(protocol.Minority);
        Assert.AreEqual(40_000 - 9000, protocol.Missing);
        Assert.AreEqual(36, protocol.GeneratorEpochs, "9000 images are 141 batches of 64, and 36 x 141 = 5076");
    }

    [TestMethod]
    public void Read_Minorities_AreAStudyEach()
    {
        var protocols = Read("--minority", "8:10,3:40");
        Assert.AreSequenceEqual([8, 3], protocols.Select(protocol => protocol.Minority!.Value));
        Assert.AreSequenceEqual([3990, 3960], protocols.Select(protocol => protocol.Missing));
        Assert.AreSequenceEqual([4000, 4000, 4000, 40, 4000, 4000, 4000, 4000, 4000, 4000], protocols[1].CountsByLabel);
        Assert.IsTrue(protocols.All(protocol => protocol.IsOfStudy));
    }

    [TestMethod]
    public void Read_PlentifulImages_AreAStudyWithThatManyOthers()
    {
        string[] args = ["--counts", "5400,5400,5400,5400,5400,5400,5400,5400,5400,5400", "--per-label"];
        var protocol = Read([.. args, "8000"]).Single();
        Assert.AreEqual(26_000, protocol.Missing);
        Assert.IsTrue(protocol.IsOfStudy);
        Assert.IsFalse(Read([.. args, "8001"]).Single().IsOfStudy);
        Assert.AreEqual(0, Read([.. args, "5000"]).Single().Missing);
    }

    [TestMethod]
    public void Read_TwiceTheSteps_IsAStudyOfThePublishedCountsAlone()
    {
        var protocol = Read("--steps", "4000").Single();
        Assert.IsTrue(protocol.IsLong);
        Assert.IsTrue(protocol.IsOfStudy);
        Assert.AreEqual(Read().Single(), protocol.WithStudySteps);
        Assert.IsFalse(Read("--minority", "8:10", "--steps", "4000").Single().IsOfStudy);
    }

    [TestMethod]
    [DataRow("--per-label", "8000")]
    [DataRow("--steps", "20")]
    [DataRow("--generator-epochs", "1")]
    [DataRow("--generator", "unbalanced")]
    [DataRow("--guidance", "1.5")]
    [DataRow("--counts", "9,9,9,9,9,9,9,9,9,9")]
    [DataRow("--counts", "9,9,9,9,9,9,9,9,9,3", DisplayName = "a minority among other numbers")]
    public void IsOfStudy_OtherOptions_IsATrial(params string[] args) => Assert.IsFalse(Read(args).Single().IsOfStudy);

    [TestMethod]
    public void Read_GeneratorAndGuidance_AreThose()
    {
        var protocol = Read("--generator", "transformed", "--guidance", "1.5").Single();
        Assert.AreEqual("transformed", protocol.Generator);
        Assert.AreEqual(1.5, protocol.Guidance);
    }

    [TestMethod]
    public void Read_UnknownGenerator_NamesTheOthers() =>
        Throws.Saying<ArgumentException>(() => Read("--generator", "good"), "balanced, unbalanced, transformed");

    [TestMethod]
    [DataRow("--data", "--data", "digits")]
    [DataRow("--counts", "--counts", "4000,2000")]
    [DataRow("--counts", "--counts", "9,9,9,9,9,9,9,9,9,0")]
    [DataRow("--minority", "--minority", "10:10")]
    [DataRow("--minority", "--minority", "8:4000")]
    [DataRow("--minority", "--minority", "8")]
    [DataRow("exclude each other", "--minority", "8:10", "--counts", "9,9,9,9,9,9,9,9,9,9")]
    public void Read_WrongOptions_AreNamed(string message, params string[] args) =>
        Throws.Saying<UsageException>(() => Read(args), message);

    private static IReadOnlyList<StudyProtocol> Read(params string[] args) => StudyProtocol.Read(new(
        args,
        [
            "--data", "--counts", "--minority", "--per-label", "--steps", "--generator", "--generator-epochs",
            "--guidance",
        ]));
}
