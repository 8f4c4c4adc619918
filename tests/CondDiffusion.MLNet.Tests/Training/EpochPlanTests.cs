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
        double[] expected = [first, second, third];
        int[] images = [80, 16, 4];
        CheckFrequencies(Store(labels), balance, null, row => expected[labels[row]] / images[labels[row]]);
    }

    /// <summary>
    /// Of 50 images of the first label 10 are real, of 45 of the second 15, and all 5 of the third. A quarter of the
    /// first two are to be generated.
    /// </summary>
    [TestMethod]
    [DataRow(0, 3.75, 0.3125, 2.25, 0.375, 1)]
    [DataRow(1, 2.5, 0.2083, 1.6667, 0.2778, 6.6667)]
    public void RestOfEpoch_GeneratedFraction_IsThatOfEachLabelWithBothKinds(
        double balance, double real, double generated, double otherReal, double otherGenerated, double third)
    {
        int[] labels = [.. Enumerable.Range(0, 100).Select(i => i < 50 ? 0 : i < 95 ? 1 : 2)];
        bool[] areGenerated = [.. Enumerable.Range(0, 100).Select(i => i is (>= 10 and < 50) or (>= 65 and < 95))];
        CheckFrequencies(
            Store(labels, areGenerated),
            balance,
            0.25,
            row => (labels[row], areGenerated[row]) switch
            {
                (0, false) => real,
                (0, true) => generated,
                (1, false) => otherReal,
                (1, true) => otherGenerated,
                _ => third,
            });
    }

    [TestMethod]
    public void RestOfEpoch_NoGeneratedFractionOrFewGeneratedImages_IsThePlanWithout()
    {
        using var real = Store(new int[10]);
        using var mixed = Store(new int[10], [false, .. Enumerable.Repeat(true, 9)]);
        using var few = Store(new int[10], [true, .. new bool[9]]);
        var settings = SmallTraining.Create(epochs: 5, batchSize: 10, seed: 3);
        var expected = new EpochPlan(real, settings).RestOfEpoch(0).ToArray();
        Assert.AreSequenceEqual(expected, new EpochPlan(mixed, settings).RestOfEpoch(0).ToArray());
        var half = settings with { GeneratedFraction = 0.5 };
        Assert.AreSequenceEqual(expected, new EpochPlan(real, half).RestOfEpoch(0).ToArray());
        Assert.AreSequenceEqual(expected, new EpochPlan(few, half).RestOfEpoch(0).ToArray());
        Assert.AreNotSequenceEqual(expected, new EpochPlan(mixed, half).RestOfEpoch(0).ToArray());
    }

    /// <summary>Checks the mean number of times that each image comes in an epoch of as many images.</summary>
    private static void CheckFrequencies(
        ImageStore store, double labelBalance, double? generatedFraction, Func<int, double> getExpected)
    {
        const int Epochs = 500;
        using var _ = store;
        var settings = SmallTraining.Create(Epochs, batchSize: store.Count, seed: 3) with
        {
            LabelBalance = labelBalance,
            GeneratedFraction = generatedFraction,
        };
        var plan = new EpochPlan(store, settings);
        var counts = new int[store.Count];
        for (var epoch = 0; epoch < Epochs; epoch++)
        {
            var rows = plan.RestOfEpoch(epoch).ToArray();
            Assert.HasCount(store.Count, rows);
            foreach (var row in rows) counts[row]++;
        }

        foreach (var (row, count) in counts.Index())
            Assert.AreEqual(getExpected(row), (double)count / Epochs, 0.1, $"image {row}");
    }

    private static ImageStore Store(int[] labels, bool[]? areGenerated = null)
    {
        var store = new ImageStore(pixels: 1);
        foreach (var (i, label) in labels.Index()) store.Add([0], label, isGenerated: areGenerated?[i] ?? false);
        return store;
    }

    private static EpochPlan Create(
        int images = 10, int batchSize = 3, double heldOut = 0.2, int smallestBatch = 1, ulong seed = 3) =>
        new(
            Store(new int[images]),
            SmallTraining.Create(epochs: 5, batchSize, seed: seed) with { ValidationFraction = heldOut },
            smallestBatch);
}
