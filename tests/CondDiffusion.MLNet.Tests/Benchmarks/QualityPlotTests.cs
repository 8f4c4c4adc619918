using CondDiffusion.MLNet.Benchmarks;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class QualityPlotTests
{
    [TestMethod]
    public void FindPoints_Rows_AreThoseOfTheTrainingThatHaveMinutes()
    {
        QualityRow[] rows =
        [
            Row("default, 2 epochs, seed 1", 10, 70),
            Row("default, 1 epochs, seed 1", 5, 90),
            Row("default, 1 epochs, seed 1, guidance 1", 5, 80),
            Row("default, 3 epochs, seed 1", null, 60),
            Row("default, 1 epochs, seed 1", 5, 50) with { Data = "fashion-mnist" },
            Row("default-wide, 1 epochs, seed 1", 5, 40),
        ];
        Assert.AreSequenceEqual([(5, 90), (10, 70)], QualityPlot.FindPoints(rows, "default"));
    }

    private static QualityRow Row(string name, double? minutes, double frechet) => new()
    {
        Name = name,
        Data = "mnist",
        Size = "28x28",
        Images = 10,
        Minutes = minutes,
        Frechet = frechet,
        Kernel = 0,
        Precision = 0,
        Recall = 0,
        Coverage = 0,
        Commit = "",
        Machine = "",
        Command = "",
    };
}
