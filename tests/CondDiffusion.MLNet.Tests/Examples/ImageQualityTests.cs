using CondDiffusion.Examples;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Examples;

[TestClass]
public sealed class ImageQualityTests
{
    /// <summary>An image that came twice would count twice.</summary>
    [TestMethod]
    public void Generate_ThreeImagesOfEachLabel_HaveTheSeedsFromZeroOn()
    {
        var ml = new MLContext();
        using var model = Tiny.Create(ml);
        var counts = new List<int>();
        var view = ImageQuality.Generate(ml, model, perLabel: 3, counts.Add, default);

        string[] labels = ["cat", "cat", "cat", "dog", "dog", "dog"];
        Assert.AreSequenceEqual(labels, view.GetColumn<string>("Label"));
        Assert.AreSequenceEqual([6], counts);
        Tiny.AreClose(Bytes(model.Generate(labels, [0, 1, 2, 0, 1, 2])), Bytes(view.GetColumn<MLImage>("Image")));

        static byte[][] Bytes(IEnumerable<MLImage> images) => [.. images.Select(image => image.Pixels.ToArray())];
    }
}
