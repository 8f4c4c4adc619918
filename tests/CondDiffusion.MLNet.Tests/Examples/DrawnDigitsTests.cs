using CondDiffusion.Examples;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Examples;

[TestClass]
public sealed class DrawnDigitsTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void Load_ThirtyRows_LabelsThemInTurn()
    {
        var view = DrawnDigits.Load(Ml, 30, seed: 1);
        Assert.AreEqual(new ImageDataViewType(28, 28), view.Schema["Image"].Type);
        Assert.AreSequenceEqual(Enumerable.Range(0, 30).Select(i => (uint)(i % 10)), view.GetColumn<uint>("Label"));
    }

    [TestMethod]
    public void Load_ReadTwice_GivesTheSameImages()
    {
        var view = DrawnDigits.Load(Ml, 20, seed: 1, size: 12);
        Assert.AreSequenceEqual(Images(view), Images(view));
    }

    [TestMethod]
    public void Load_OtherSeedOrRow_GivesOtherImages()
    {
        var first = Images(DrawnDigits.Load(Ml, 40, seed: 1, size: 12));
        var second = Images(DrawnDigits.Load(Ml, 40, seed: 2, size: 12));
        Assert.HasCount(80, first.Concat(second).Distinct());
    }

    [TestMethod]
    public void Load_AfterTransformsThatDisposeImages_CanBeReadAgain()
    {
        var view = DrawnDigits.Load(Ml, 10, seed: 1, size: 12);
        var rows = Ml.Transforms.NormalizeImages("Pixels", "Image", 16, 16).Normalize(view);
        var first = rows.GetColumn<float[]>("Pixels").Select(pixels => pixels.Sum()).ToArray();
        Assert.AreSequenceEqual(first, rows.GetColumn<float[]>("Pixels").Select(pixels => pixels.Sum()));
    }

    [TestMethod]
    public void Load_AnyDigit_IsWhiteOnBlackWithClearEdges()
    {
        foreach (var image in DrawnDigits.Load(Ml, 100, seed: 3).GetColumn<MLImage>("Image"))
        {
            var levels = image.Pixels.ToArray().Where((_, i) => i % 4 == 0).ToArray();
            var border = levels.Where((_, i) => i % 28 is 0 or 27 || i / 28 is 0 or 27);
            Assert.IsGreaterThan(200, levels.Max());
            Assert.IsGreaterThan(392, levels.Count(level => level == 0)); // more than half is background
            Assert.IsLessThan(128, border.Max());
        }
    }

    /// <summary>Digits that a model has seen would flatter it.</summary>
    [TestMethod]
    public void DataSet_TestDigits_AreNoneOfTheTraining()
    {
        var training = DataSet.Load(Ml, "digits", null);
        var test = DataSet.Load(Ml, "digits", null, MnistSplit.Test);
        var images = new[] { training, test }.SelectMany(view => Images(Ml.Data.TakeRows(view, 20)));
        Assert.HasCount(40, images.Distinct());
    }

    private static string[] Images(IDataView view) =>
        [.. view.GetColumn<MLImage>("Image").Select(image => Convert.ToBase64String(image.Pixels))];
}
