using CondDiffusion.MLNet.Training;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class LearningRateTests
{
    [TestMethod]
    public void At_NoWarmUpNoDecay_IsThePeak() => Assert.AreEqual(0.5, new LearningRate(0.5, 0, false).At(7, 10));

    [TestMethod]
    public void At_WarmUp_GrowsLinearlyToThePeak()
    {
        var rate = new LearningRate(0.5, 5, false);
        var rates = Enumerable.Range(1, 6).Select(step => Math.Round(rate.At(step, 10), 12));
        Assert.AreSequenceEqual(new[] { 0.1, 0.2, 0.3, 0.4, 0.5, 0.5 }, rates);
    }

    [TestMethod]
    public void At_CosineDecay_StartsAtThePeakAndPassesItsHalfInTheMiddle()
    {
        var rate = new LearningRate(1, 2, true);
        Assert.AreEqual(1, rate.At(3, 10), 1e-12);
        Assert.AreEqual(0.5, rate.At(7, 10), 1e-12);
        Assert.IsTrue(rate.At(10, 10) is > 0 and < 0.05);
    }
}
