using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Tests.Augmentation;

[TestClass]
public sealed class AugmentationOptionsTests
{
    [TestMethod]
    public void Augment_EveryOptionOutOfRange_NamesAllAtOnce()
    {
        string[] parts =
        [
            "LabelColumnName must be a column name",
            "ImageColumnName must be a column name",
            "IsGeneratedColumnName must be a column name",
            "Amount must be given",
            "MostPerReal must be positive and finite, but is NaN",
            "Order must be a value of its type, but is 9",
            "GuidanceScale must be in [0, 1000], but is NaN",
            "PredictedLabelColumnName must be a column name",
            "ScoreColumnName must be a column name",
            "LeastProbability must be in [0, 1), but is 1",
            "CopyDistance must be finite and not negative, but is NaN",
            "MostAttempts must be at least 1, but is -1",
        ];
        Refused(
            new()
            {
                LabelColumnName = " ",
                ImageColumnName = "",
                IsGeneratedColumnName = null!,
                Amount = null!,
                MostPerReal = double.NaN,
                Order = (AugmentationOrder)9,
                GuidanceScale = double.NaN,
                PredictedLabelColumnName = "",
                ScoreColumnName = " ",
                LeastProbability = 1,
                CopyDistance = double.NaN,
                MostAttempts = -1,
            },
            parts);

        // Every option that has a range is above.
        string[] free = ["Seed", "Classifier", "Progress", "CancellationToken"];
        var named = parts.Select(part => part.Split(' ')[0]).Concat(free);
        Assert.AreSequenceEqual(
            typeof(AugmentationOptions).GetProperties().Select(property => property.Name),
            named,
            SequenceOrder.InAnyOrder);
    }

    [TestMethod]
    public void Augment_OptionAtTheEndOfItsRange_IsNamed()
    {
        Refused(new() { MostPerReal = 0 }, "MostPerReal must be positive and finite, but is 0");
        Refused(new() { GuidanceScale = 1001 }, "GuidanceScale must be in [0, 1000], but is 1001");
        Refused(new() { LeastProbability = double.NaN }, "LeastProbability must be in [0, 1), but is NaN");
        Refused(new() { CopyDistance = -0.1 }, "CopyDistance must be finite and not negative, but is -0.1");
    }

    [TestMethod]
    public void Augment_Null_IsNamed()
    {
        var ml = new MLContext(seed: 1);
        using var model = Tiny.Create(ml);
        var rows = Tiny.Rows(ml, 2);
        Throws.Saying<ArgumentNullException>(() => ml.ImageGeneration.Augment(null!, model), "'data'");
        Throws.Saying<ArgumentNullException>(() => ml.ImageGeneration.Augment(rows, null!), "'model'");
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(-1)]
    public void AtLeast_NoImages_IsRefused(int images) =>
        Throws.Saying<ArgumentOutOfRangeException>(() => AugmentationAmount.AtLeast(images), "images", $"{images}");

    [TestMethod]
    [DataRow(0)]
    [DataRow(-1)]
    [DataRow(double.NaN)]
    [DataRow(double.PositiveInfinity)]
    public void PerReal_NoRatio_IsRefused(double ratio) => Throws.Saying<ArgumentOutOfRangeException>(
        () => AugmentationAmount.PerReal(ratio), "ratio", "must be positive and finite");

    private static void Refused(AugmentationOptions options, params string[] parts)
    {
        var ml = new MLContext(seed: 1);
        using var model = Tiny.Create(ml);
        Throws.Saying<ArgumentException>(
            () => ml.ImageGeneration.Augment(Tiny.Rows(ml, 2), model, options), parts);
    }
}
