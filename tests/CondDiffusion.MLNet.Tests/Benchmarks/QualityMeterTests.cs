using CondDiffusion.MLNet.Benchmarks;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class QualityMeterTests
{
    /// <summary>Two images of each of the ten digits, and no classifiers that learn from them.</summary>
    private static readonly QualityRow Row = new()
    {
        Name = "model",
        Data = "digits",
        Size = "28x28",
        Images = 20,
        LabelAccuracy = 0.9876,
        Frechet = 1.2345,
        Kernel = 0.00123,
        Precision = 0.8,
        Recall = 0.7,
        Coverage = 0.6,
        Commit = "",
        Machine = "",
        Command = "",
    };

    /// <summary>Who asks for the figures of more images does not want those of fewer.</summary>
    [TestMethod]
    [DataRow("model", "digits", 20, 0, true)]
    [DataRow("other", "digits", 20, 0, false)]
    [DataRow("model", "mnist", 20, 0, false)]
    [DataRow("model", "digits", 10, 0, false)]
    [DataRow("model", "digits", 20, 3, false)]
    public void Measure_RowInTheResults_IsMeasuredAgainUnlessItIsTheSame(
        string name, string data, int images, int trainings, bool isSame)
    {
        using var directory = new DocsDirectory();
        var row = Row with { Name = name, Data = data, Images = images, Trainings = trainings };
        JsonLines.Append(QualityMeter.Results, row);
        var meter = new QualityMeter(
            new(["--data", "digits", "--count", "2", "--cas", "0"], "--data", "--count", "--cas"), "");
        if (isSame) Assert.Contains($"{row}", Printed.By(() => Measure(meter)));
        else Throws.Saying<InvalidOperationException>(() => Measure(meter), "The model is loaded.");

        static void Measure(QualityMeter meter) => meter.Measure(
            "model",
            () => throw new InvalidOperationException("The model is loaded."),
            [new("", options => options)]);
    }

    /// <summary>Accuracies and scores are in %, as is the deviation of a score.</summary>
    [TestMethod]
    public void ToString_Row_IsThatOfTheTable()
    {
        Assert.AreEqual("| model |  |  | 98.8 % | 1.23 | 0.00123 | 0.800 | 0.700 | 0.600 |  |  |", $"{Row}");
        var row = Row with
        {
            Evaluations = 10,
            Milliseconds = 3.27,
            Authenticity = 0.5,
            Score = 0.9712,
            ScoreDeviation = 0.0034,
        };
        Assert.AreEqual(
            "| model | 10 | 3.3 | 98.8 % | 1.23 | 0.00123 | 0.800 | 0.700 | 0.600 | 0.500 | 97.12 ± 0.34 |", $"{row}");
    }
}
