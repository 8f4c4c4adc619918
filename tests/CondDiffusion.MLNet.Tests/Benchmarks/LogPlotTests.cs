using System.Globalization;
using System.Xml.Linq;
using CondDiffusion.MLNet.Benchmarks.Plots;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class LogPlotTests
{
    /// <summary>
    /// The horizontal axis of 440 begins at 60, and goes from 1 to 100; the vertical one of 260 ends at 296, and goes
    /// from 5 to 50.
    /// </summary>
    [TestMethod]
    public void Draw_Points_AreAtTheirPlacesOnLogarithmicAxes()
    {
        var plot = Draw(new("a", "real", [(1, 50), (10, 5)]), new("b", "generated", [(100, 15.811388)]));
        var dots = plot.Where(element => element.Name.LocalName == "circle").ToArray();
        Assert.AreSequenceEqual([60.0, 280, 500], dots.Select(dot => Number(dot, "cx")));
        Assert.AreSequenceEqual([36.0, 296, 166], dots.Select(dot => Number(dot, "cy")));
        var texts = plot.Where(element => element.Name.LocalName == "text").Select(element => element.Value);
        Assert.AreSequenceEqual(
            ["x", "y", "1", "2", "5", "10", "20", "50", "100", "5", "10", "20", "50", "a", "b"], texts);
    }

    [TestMethod]
    public void Draw_EqualValues_HasAxes() => Assert.IsFalse(
        Draw(new LogPlotCurve("a", "real", [(1, 1), (1, 1)])).Any(element => element.ToString().Contains("NaN")));

    private static XElement[] Draw(params LogPlotCurve[] curves) =>
        [.. XDocument.Parse(LogPlot.Draw("title", "x", "y", curves)).Descendants()];

    private static double Number(XElement element, string name) =>
        double.Parse(element.Attribute(name)!.Value, CultureInfo.InvariantCulture);
}
