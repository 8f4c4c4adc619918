using CondDiffusion.Examples;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Examples;

[TestClass]
public sealed class ArgumentsTests
{
    [TestMethod]
    public void Find_OptionsAndFlagsInAnyOrder_AreTold()
    {
        var arguments = new Arguments(["--json", "--out", "--json"], ["--out", "--seed"], ["--json", "--balance"]);
        Assert.AreEqual("--json", arguments.Find("--out"));
        Assert.AreEqual(
            (true, true, false, false),
            (arguments.Has("--out"), arguments.Has("--json"), arguments.Has("--seed"), arguments.Has("--balance")));
    }

    [TestMethod]
    [DataRow("Unknown option 'x'; expected one of --out, --json", "x")]
    [DataRow("Option --out needs a value", "--json", "--out")]
    public void Arguments_WrongOnes_AreNamed(string message, params string[] args) =>
        Throws.Saying<UsageException>(() => new Arguments(args, ["--out"], ["--json"]), message);

    [TestMethod]
    [DataRow("24", 24, 24)]
    [DataRow("48x32", 48, 32)]
    [DataRow(null, 28, 28)]
    public void Size_OneNumberOrTwo_IsHeightAndWidth(string? text, int height, int width)
    {
        var arguments = new Arguments(text is null ? [] : ["--size", text], "--size");
        Assert.AreEqual((height, width), arguments.Size("--size", 28));
    }

    [TestMethod]
    public void Interval_TwoNumbers_AreItsEnds()
    {
        var arguments = new Arguments(["--sigma", "0.5,5e1"], "--sigma");
        Assert.AreEqual((0.5, 50.0), arguments.Interval("--sigma"));
        Assert.IsNull(arguments.Interval("--other"));
        foreach (var text in new[] { "5", "1,2,3", ",5", "1,x", "1-2" })
        {
            Throws.Saying<UsageException>(
                () => new Arguments(["--sigma", text], "--sigma").Interval("--sigma"),
                $"Option --sigma must be two numbers such as 0.5,5, but is '{text}'.");
        }
    }

    /// <summary>In texts of other cultures a comma separates thousands, or decimals.</summary>
    [TestMethod]
    [DataRow("1,5")]
    [DataRow("0,001")]
    [DataRow("x")]
    public void Double_Others_AreRefused(string text)
    {
        Throws.Saying<UsageException>(
            () => new Arguments(["--rate", text], "--rate").FindDouble("--rate"),
            $"Option --rate must be a number, but is '{text}'.");
        Assert.AreEqual(1.5e-3, new Arguments(["--rate", "1.5e-3"], "--rate").FindDouble("--rate"));
    }

    [TestMethod]
    [DataRow("0")]
    [DataRow("8x")]
    [DataRow("x8")]
    [DataRow("8x8x8")]
    [DataRow("-8")]
    public void Size_Others_AreRefused(string text) => Throws.Saying<UsageException>(
        () => new Arguments(["--size", text], "--size").Size("--size", 28), "--size", $"'{text}'");
}
