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

    /// <summary>
    /// Of 240 rows, each of three labels has 80. Those of the first are real, half of those of the second are
    /// generated, and so is a third of those of the third, whose images are 4 real and 2 generated ones.
    /// </summary>
    [TestMethod]
    public void Halve_FewOrManyGeneratedImages_AreHalfOfALabelAtMost()
    {
        GreyImage[] real = [.. Images(0, 7), .. Images(1, 1), .. Images(2, 4)];
        GreyImage[] generated = [.. Images(1, 3), .. Images(2, 2)];
        var rows = Portion.Fill(StudyArm.Halve(real, generated), 240, seed: 1).ToArray();
        var counts = rows.CountBy(row => (row.Image.Label, generated.Contains(row.Image))).ToDictionary();
        Assert.HasCount(5, counts);
        Assert.AreEqual((80, 40, 40), (counts[(0, false)], counts[(1, false)], counts[(1, true)]));
        Assert.AreEqual(80, counts[(2, false)] + counts[(2, true)]);
        Assert.AreEqual(80 / 3.0, counts[(2, true)], 2);
    }

    private static GreyImage[] Images(int label, int count) =>
        [.. Enumerable.Range(0, count).Select(i => new GreyImage(label, [(byte)i]))];
}
