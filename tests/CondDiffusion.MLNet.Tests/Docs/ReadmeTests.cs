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
        IDataView mnist = ml.Data.LoadMnist("data/mnist");                        // Image: MLImage, Label: uint 0..9

        var pipeline = ml.Transforms.NormalizeImages("Pixels", "Image", 28, 28)  // one channel, [-1, 1]; training only
            .Append(ml.Transforms.Conversion.MapValueToKey("Label"))
            .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion());          // Label + Pixels -> GeneratedImage

        var model = pipeline.Fit(mnist);
        ml.Model.Save(model, null, "digits.zip");

        // later, in a process that has never seen the trainer: no registration call
        ITransformer generator = new MLContext().Model.Load("digits.zip", out _);
        IDataView rows = ml.Data.LoadFromEnumerable(new[] { new { Label = 3u }, new { Label = 8u } });
        IDataView images = generator.Transform(rows);
        // end
        using var trained = model;
        using var loaded = (IDisposable)generator;

        Assert.AreEqual(new ImageDataViewType(28, 28), images.Schema["GeneratedImage"].Type);
        var generated = images.GetColumn<MLImage>("GeneratedImage").Select(image => image.Pixels.ToArray()).ToArray();
        Assert.HasCount(2, generated);
        Assert.AreNotSequenceEqual(generated[0], generated[1]);
        foreach (var image in generated)
        {
            var pixels = image.Chunk(4).ToArray();
            Assert.HasCount(28 * 28, pixels);
            Assert.IsTrue(pixels.All(pixel => pixel[0] == pixel[1] && pixel[1] == pixel[2] && pixel[3] == 255));
            Assert.IsGreaterThan(10, pixels.Select(pixel => pixel[0]).Distinct().Count());
        }

        // The trained model, whole as it is, generates what the loaded one does.
        Tiny.AreClose(generated, Tiny.ImageBytes(model.Transform(rows)));
    }
}
