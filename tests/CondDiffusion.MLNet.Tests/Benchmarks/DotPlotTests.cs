using System.Globalization;
using System.Xml.Linq;
using CondDiffusion.MLNet.Benchmarks.Plots;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class DotPlotTests
{
    /// <summary>The axis of 480 begins at 170: 90, 95 and 100 are at its ends and in its middle.</summary>
    [TestMethod]
    public void Draw_OneValueInEachRow_IsADotAtItsPlace()
    {
        var plot = Draw(new("a", [90], false), new("b", [100], true), new("c", [95], false));
        var dots = plot.Where(element => element.Name.LocalName == "circle").ToArray();
        Assert.AreSequenceEqual([170.0, 170, 650, 650, 410, 410], dots.Select(dot => Number(dot, "cx")));
        Assert.AreSequenceEqual([31.0, 31, 61, 61, 91, 91], dots.Select(dot => Number(dot, "cy")));
        var texts = plot.Where(element => element.Name.LocalName == "text").Select(element => element.Value);
        Assert.AreSequenceEqual(["90", "92", "94", "96", "98", "100", "axis", "a", "b", "c"], texts);
    }

    /// <summary>The interval of 89 and 91 is 90 ± 12.7. The axis is from 75 to 105, in steps of 5.</summary>
    [TestMethod]
    public void Draw_SeveralValues_HaveTheirMeanAndItsInterval()
    {
        var plot = Draw(new DotPlotRow("a", [89, 91], false));
        var line = plot.Single(element => element.Attribute("class")?.Value == "real interval");
        Assert.AreEqual(170 + 480 * (90 - 12.706 - 75) / 30, Number(line, "x1"), 0.06);
        Assert.AreEqual(170 + 480 * (90 + 12.706 - 75) / 30, Number(line, "x2"), 0.06);
        var dots = plot.Where(element => element.Name.LocalName == "circle").Select(dot => Number(dot, "cx"));
        Assert.AreSequenceEqual([394.0, 426, 410], dots);
    }

    [TestMethod]
    public void Draw_EqualValues_HasAnAxis() =>
        Assert.IsFalse(Draw(new DotPlotRow("a", [1, 1], false)).Any(element => element.ToString().Contains("NaN")));

    private static XElement[] Draw(params DotPlotRow[] rows) =>
        [.. XDocument.Parse(DotPlot.Draw("title", "axis", rows)).Descendants()];

    private static double Number(XElement element, string name) =>
        double.Parse(element.Attribute(name)!.Value, CultureInfo.InvariantCulture);
}
