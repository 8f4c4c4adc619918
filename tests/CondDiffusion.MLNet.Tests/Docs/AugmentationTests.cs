using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Runs the code of docs/augmentation.md.</summary>
[TestClass]
public sealed class AugmentationTests
{
    [TestMethod]
    public void Augment_AsItStands_BalancesTheLabels()
    {
        using var directory = new DocsDirectory();
        var ml = new MLContext(seed: 1);
        var pixels = Enumerable.Range(0, 3 * 28 * 28).Select(i => (byte)(i / 7)).ToArray();
        File.WriteAllBytes(Path.Combine("data/mnist", IdxWriter.Images), IdxWriter.Bytes(2051, [3, 28, 28], pixels));
        File.WriteAllBytes(Path.Combine("data/mnist", IdxWriter.Labels), IdxWriter.Bytes(2049, [3], [3, 3, 8]));
        var images = ml.Data.LoadMnist("data/mnist");
        var model = DocsDirectory.SaveModel(ml, Tiny.Shrink(new()));
        using var disposable = (IDisposable)model;
        // snippet: augment
        var balanced = ml.ImageGeneration.Augment(images, model);
        var pipeline = ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.MulticlassClassification.Trainers.ConvolutionalNetwork(new() { FeatureColumnName = "Image" }));
        var classifier = pipeline.Fit(balanced);
        // end
        using var trained = classifier;
        var counts = balanced.GetColumn<uint>("Label").CountBy(label => label).Select(label => label.Value);
        Assert.AreSequenceEqual([2, 2], counts);

        // snippet: filter
        var judge = pipeline.Fit(images);
        var checkedImages = ml.ImageGeneration.Augment(images, model, new AugmentationOptions
        {
            Amount = AugmentationAmount.AtLeast(200),
            Classifier = judge,          // refuses images whose label it disputes; it learnt from real images alone
            LeastProbability = 0.7,
            CopyDistance = 0.5,          // refuses images that are nearly a real one
            Seed = 1,
        });
        // end
        using var judging = judge;
        Assert.AreEqual(400, checkedImages.GetRowCount());
        Assert.IsTrue(checkedImages.GetColumn<uint>("Label").CountBy(label => label).All(label => label.Value >= 200));
    }
}
