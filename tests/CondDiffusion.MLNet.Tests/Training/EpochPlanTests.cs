using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class EpochPlanTests
{
    [TestMethod]
    public void RestOfEpoch_EveryEpoch_HasTheTrainingRowsOnceInAnOrderOfItsOwn()
    {
        var plan = Create();
        Assert.AreEqual(2, plan.HeldOut.Length);
        Assert.AreEqual(3, plan.StepsPerEpoch, "8 images in batches of 3");
        Assert.AreEqual(15L, plan.Steps);

        int[][] orders = [.. Enumerable.Range(0, 5).Select(epoch => plan.RestOfEpoch(3 * epoch).ToArray())];
        foreach (var order in orders)
            Assert.AreSequenceEqual(Enumerable.Range(0, 10), order.Concat(plan.HeldOut.ToArray()).Order());
        Assert.HasCount(5, orders.Select(order => string.Join(' ', order)).Distinct());
    }

    [TestMethod]
    public void RestOfEpoch_SameSeed_IsTheSameOrder()
    {
        Assert.AreSequenceEqual(Create().RestOfEpoch(3).ToArray(), Create().RestOfEpoch(3).ToArray());
        Assert.IsFalse(Create().RestOfEpoch(3).Span.SequenceEqual(Create(seed: 4).RestOfEpoch(3).Span));
    }

    [TestMethod]
    public void RestOfEpoch_WithinAnEpoch_IsTheEndOfItsOrder()
    {
        var plan = Create();
        var order = plan.RestOfEpoch(3).ToArray();
        Assert.AreSequenceEqual(order[3..], plan.RestOfEpoch(4).ToArray());
        Assert.AreSequenceEqual(order[6..], plan.RestOfEpoch(5).ToArray());
    }

    [TestMethod]
    public void HeldOut_OneImage_IsEmpty()
    {
        var plan = Create(images: 1, heldOut: 0.999);
        Assert.IsTrue(plan.HeldOut.IsEmpty);
        Assert.AreEqual(1, plan.StepsPerEpoch);
    }

    [TestMethod]
    public void BatchSize_BeyondTheImages_IsTheirNumber()
    {
        var plan = Create(batchSize: int.MaxValue);
        Assert.AreEqual(8, plan.BatchSize);
        Assert.AreEqual(1, plan.StepsPerEpoch);
        Assert.AreEqual(8, plan.RestOfEpoch(1).Length);
    }

    [TestMethod]
    [DataRow(7, 2, DisplayName = "a last batch of one is left out")]
    [DataRow(8, 3, DisplayName = "a last batch of two is not")]
    [DataRow(9, 3, DisplayName = "nor is a full one")]
    public void StepsPerEpoch_SmallestBatchOfTwo_LeavesOutASmallerLastOne(int images, int steps)
    {
        var plan = Create(images, heldOut: 0, smallestBatch: 2);
        Assert.AreEqual(steps, plan.StepsPerEpoch);
        Assert.AreEqual(5L * steps, plan.Steps);
        Assert.AreEqual(images == 7 ? 6 : images, plan.RestOfEpoch(0).Length);
        Assert.AreEqual(images == 7 ? 3 : images - 3, plan.RestOfEpoch(steps + 1).Length);
    }

    [TestMethod]
    [DataRow(10, 1, "BatchSize is 1")]
    [DataRow(1, 3, "there are 1 images")]
    public void Constructor_NoBatchLargeEnough_SaysWhatIsMissing(int images, int batchSize, string part) =>
        Throws.Saying<InvalidOperationException>(
            () => Create(images, batchSize, heldOut: 0, smallestBatch: 2), "at least 2", part);

    /// <summary>Of 100 images, 80 have one label, 16 another and 4 a third one.</summary>
    [TestMethod]
    [DataRow(0, 80, 16, 4)]
    [DataRow(0.5, 59.85, 26.77, 13.38, DisplayName = "sqrt(80), 4 and 2, as parts of 100")]
    [DataRow(1, 33.3, 33.3, 33.3)]
    public void RestOfEpoch_LabelBalance_GivesEachLabelItsFrequency(
        double balance, double first, double second, double third)
    {
        int[] labels = [.. Enumerable.Range(0, 100).Select(i => i < 80 ? 0 : i < 96 ? 1 : 2)];
        var settings = SmallTraining.Create(epochs: 500, batchSize: 100, seed: 3) with { LabelBalance = balance };
        var plan = new EpochPlan(labels, settings);
        var counts = new int[100];
        for (var epoch = 0; epoch < 500; epoch++)
        {
            var rows = plan.RestOfEpoch(epoch).ToArray();
            Assert.HasCount(100, rows);
            foreach (var row in rows) counts[row]++;
        }

        // In the mean of many epochs each image of a label is as frequent as the others.
        double[] expected = [first, second, third];
        foreach (var (row, count) in counts.Index())
        {
            var images = new[] { 80, 16, 4 }[labels[row]];
            Assert.AreEqual(expected[labels[row]] / images, count / 500.0, 0.1, $"image {row}");
        }
    }

    private static EpochPlan Create(
        int images = 10, int batchSize = 3, double heldOut = 0.2, int smallestBatch = 1, ulong seed = 3) =>
        new(
            new int[images],
            SmallTraining.Create(epochs: 5, batchSize, seed: seed) with { ValidationFraction = heldOut },
            smallestBatch);
}
