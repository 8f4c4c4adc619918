using CondDiffusion.Examples;
using CondDiffusion.MLNet.Benchmarks;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class QualitySamplingTests
{
    private static readonly SamplingOptions Model = new()
    {
        Sampler = Sampler.Ddim,
        Steps = 30,
        GuidanceScale = 2,
        GuidanceSigmaLow = 0.3,
        GuidanceSigmaHigh = 4,
    };

    [TestMethod]
    public void Parse_Samplings_HaveNamesOfTheirOwnAndAllOfTheirOptions()
    {
        var samplings = Parse("--samplings", "20:LogSnr:1.50, 8:focused:1:0.5-5");
        Assert.AreSequenceEqual(
            [", 20 steps LogSnr, guidance 1.5", ", 8 steps Focused, guidance 1 for sigma 0.5-5"],
            samplings.Select(sampling => sampling.Name));
        Assert.AreEqual(
            Model with
            {
                Steps = 20,
                Spacing = StepSpacing.LogSnr,
                GuidanceScale = 1.5,
                GuidanceSigmaLow = 0,
                GuidanceSigmaHigh = null,
            },
            samplings[0].Change(Model));
        Assert.AreEqual(
            Model with
            {
                Steps = 8,
                Spacing = StepSpacing.Focused,
                GuidanceScale = 1,
                GuidanceSigmaLow = 0.5,
                GuidanceSigmaHigh = 5,
            },
            samplings[1].Change(Model));
    }

    /// <summary>The results file has rows of these names.</summary>
    [TestMethod]
    public void Parse_GuidanceAndSteps_IsEachWithEachAndOtherwiseTheModelsOwn()
    {
        var samplings = Parse("--guidance", "1,1.25", "--steps", "10,20");
        Assert.AreSequenceEqual(
            [
                ", guidance 1, 10 steps", ", guidance 1, 20 steps", ", guidance 1.25, 10 steps",
                ", guidance 1.25, 20 steps",
            ],
            samplings.Select(sampling => sampling.Name));
        Assert.AreEqual(Model with { GuidanceScale = 1.25, Steps = 10 }, samplings[2].Change(Model));

        Assert.AreEqual(", guidance 2", Parse("--guidance", "2").Single().Name);
        Assert.AreEqual(", 5 steps", Parse("--steps", "5").Single().Name);
        var own = Parse().Single();
        Assert.AreEqual("", own.Name);
        Assert.AreEqual(Model, own.Change(Model));
    }

    [TestMethod]
    [DataRow("8:Focused")]
    [DataRow("8:Focused:1.5:0.5")]
    [DataRow("8:Focused:1.5:0.5-5-6")]
    [DataRow("8:Focused:1.5:0.5-5:1")]
    [DataRow("x:Focused:1.5")]
    [DataRow("8:Sharp:1.5")]
    [DataRow("8:Focused:high")]
    public void Parse_OtherForms_AreRefused(string text) => Throws.Saying<UsageException>(
        () => Parse("--samplings", $"20:LogSnr:1,{text}"), "Option --samplings must have the form", $"has '{text}'");

    [TestMethod]
    public void Parse_SamplingsAndSteps_AreRefused() => Throws.Saying<UsageException>(
        () => Parse("--samplings", "8:Focused:1", "--steps", "8"), "leave out --steps and --guidance");

    private static IReadOnlyList<QualitySampling> Parse(params string[] args) =>
        QualitySampling.Parse(new(args, "--samplings", "--guidance", "--steps"));
}
