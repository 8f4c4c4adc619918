using CondDiffusion.Examples;

namespace CondDiffusion.MLNet.Tests.Examples;

[TestClass]
public sealed class ProgressBarTests
{
    [TestMethod]
    public void Report_MoreThanADayLeft_CountsItsHours()
    {
        using var output = new StringWriter();
        new ProgressBar(output).Report(new()
        {
            Epoch = 2,
            Epochs = 3,
            Step = 8,
            Steps = 12,
            StepsPerEpoch = 4,
            Loss = 1,
            MeanLoss = 0.25,
            SmoothedLoss = 1,
            LearningRate = 1,
            GradientNorm = 1,
            ImagesPerSecond = 12,
            TimeLeft = new(hours: 27, minutes: 4, seconds: 5),
        });
        Assert.Contains(
            "epoch   2/3 [##############################] loss 0.2500     12 images/s  27:04:05 left",
            output.ToString());
    }
}
