using CondDiffusion.MLNet.Training;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class LearningRateTests
{
    [TestMethod]
    public void At_NoWarmUpNoDecay_IsThePeak() =>
        Assert.AreEqual(0.5, new LearningRate(0.5, 0, LearningRateDecay.None).At(7, 10));

    [TestMethod]
    public void At_WarmUp_GrowsLinearlyToThePeak()
    {
        var rate = new LearningRate(0.5, 5, LearningRateDecay.None);
        var rates = Enumerable.Range(1, 6).Select(step => Math.Round(rate.At(step, 10), 12));
        Assert.AreSequenceEqual(new[] { 0.1, 0.2, 0.3, 0.4, 0.5, 0.5 }, rates);
    }

    [TestMethod]
    public void At_CosineDecay_StartsAtThePeakAndPassesItsHalfInTheMiddle()
    {
        var rate = new LearningRate(1, 2, LearningRateDecay.Cosine);
        Assert.AreEqual(1, rate.At(3, 10), 1e-12);
        Assert.AreEqual(0.5, rate.At(7, 10), 1e-12);
        Assert.IsTrue(rate.At(10, 10) is > 0 and < 0.05);
    }

    [TestMethod]
    public void At_Cooldown_IsThePeakForFourFifthsAndThenFallsByEqualSteps()
    {
        var rate = new LearningRate(1, 2, LearningRateDecay.Cooldown);
        var rates = Enumerable.Range(14, 7).Select(step => Math.Round(rate.At(step, 20), 12));
        Assert.AreSequenceEqual(new[] { 1, 1, 1, 0.8, 0.6, 0.4, 0.2 }, rates);
        Assert.AreEqual(16, rate.LastShared(20));
        for (var step = 1; step <= 16; step++) Assert.AreEqual(rate.At(step, 20), rate.At(step, 30));
    }

    [TestMethod]
    public void At_WarmUpThatReachesIntoTheCooldown_FallsEvenlyFromThePeak()
    {
        var rate = new LearningRate(1, 18, LearningRateDecay.Cooldown);
        Assert.AreEqual(16, rate.LastShared(20));
        double[] expected = [17.0 / 18, 1, 2.0 / 3, 1.0 / 3];
        foreach (var (i, value) in expected.Index()) Assert.AreEqual(value, rate.At(17 + i, 20), 1e-12);
    }

    [TestMethod]
    public void LastShared_OtherDecays_IsEveryStepOrNone()
    {
        Assert.AreEqual(long.MaxValue, new LearningRate(1, 2, LearningRateDecay.None).LastShared(20));
        Assert.AreEqual(0, new LearningRate(1, 2, LearningRateDecay.Cosine).LastShared(20));
    }
}
