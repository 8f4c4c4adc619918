using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Runs the code of README.md.</summary>
[TestClass]
public sealed class ReadmeTests
{
    [TestMethod]
    public void FrontDoor_AsItStands_Runs()
    {
        using var directory = new DocsDirectory();
        // snippet: front door
        var ml = new MLContext(seed: 1);
        IDataView mnist = ml.Data.LoadMnist("data/mnist");                        // Image: MLImage 28x28, Label: uint 0..9

        var pipeline = ml.Transforms.NormalizeImages("Pixels", "Image", 32, 32)  // one channel, [-1, 1]; training only
            .Append(ml.Transforms.Conversion.MapValueToKey("Label"))
            .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion());          // Label + Pixels -> GeneratedImage

        var model = pipeline.Fit(mnist);
        ml.Model.Save(model.GetModelFor(TransformerScope.Scoring), null, "digits.zip");

        // later, in a process that has never seen the trainer: no registration call
        ITransformer generator = new MLContext().Model.Load("digits.zip", out _);
        IDataView rows = ml.Data.LoadFromEnumerable(new[] { new { Label = 3u }, new { Label = 8u } });
        IDataView images = generator.Transform(rows);
        // end
        using var trained = model;
        using var loaded = (IDisposable)generator;

        Assert.AreEqual(new ImageDataViewType(32, 32), images.Schema["GeneratedImage"].Type);
        foreach (var image in images.GetColumn<MLImage>("GeneratedImage").ToArray())
            Assert.AreEqual((32, 32), (image.Width, image.Height));

        Assert.AreEqual(2, images.GetColumn<uint>("Label").Count());
    }
}
