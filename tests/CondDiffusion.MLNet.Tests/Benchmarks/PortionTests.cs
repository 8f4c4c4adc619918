using CondDiffusion.MLNet.Benchmarks.Augmentation;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class PortionTests
{
    /// <summary>Of 60 rows each of three labels has 20, whether it has 1 image, 7 or 20.</summary>
    [TestMethod]
    public void Fill_PortionsByLabel_HaveEqualPartsOfTheRows()
    {
        GreyImage[] images = [.. Images(0, 7), .. Images(1, 1), .. Images(2, 20)];
        var rows = Portion.Fill(Portion.ByLabel(images), 60, seed: 1).ToArray();
        Assert.HasCount(60, rows);
        Assert.AreSequenceEqual([20, 20, 20], rows.CountBy(row => row.Image.Label).Select(label => label.Value));
        Assert.IsTrue(rows.All(row => row.Weight == 1));

        var times = rows.CountBy(row => row.Image).ToLookup(image => image.Key.Label, image => image.Value);
        Assert.AreSequenceEqual([2, 3, 3, 3, 3, 3, 3], times[0].Order(), "20 = 7 x 3 - 1");
        Assert.AreSequenceEqual([20], times[1]);
        Assert.AreSequenceEqual(Enumerable.Repeat(1, 20), times[2]);
    }

    [TestMethod]
    [DataRow(5)]
    [DataRow(10)]
    [DataRow(11)]
    public void Fill_AnyNumberOfRows_IsFilled(int rows) =>
        Assert.AreEqual(rows, Portion.Fill(Portion.ByLabel([.. Images(0, 2), .. Images(1, 1)]), rows, seed: 1).Count());

    [TestMethod]
    public void Fill_Again_IsTheSame()
    {
        var portions = new[] { Portion.Of(Images(0, 30)) };
        var rows = Portion.Fill(portions, 20, seed: 1);
        Assert.AreSequenceEqual(rows, rows);
        Assert.AreNotSequenceEqual(rows, Portion.Fill(portions, 20, seed: 2));
    }

    private static GreyImage[] Images(int label, int count) =>
        [.. Enumerable.Range(0, count).Select(i => new GreyImage(label, [(byte)i]))];
}
