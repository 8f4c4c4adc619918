using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests;

[TestClass]
public sealed class TransformsExtensionsTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void NormalizeImages_OneChannel_ScalesBlackAndWhiteToTheEnds()
    {
        Assert.AreSequenceEqual(Enumerable.Repeat(-1f, 12), Normalize(TestImages.Plain(2, 2, 0, 0, 0), 4, 3));
        Assert.AreSequenceEqual(Enumerable.Repeat(1f, 12), Normalize(TestImages.Plain(2, 2, 255, 255, 255), 4, 3));
    }

    [TestMethod]
    public void NormalizeImages_ThreeChannels_GivesRedThenGreenThenBlue()
    {
        var pixels = Normalize(TestImages.Plain(2, 2, 255, 0, 51), width: 1, height: 2, channels: 3);
        Assert.AreSequenceEqual([1f, 1f, -1f, -1f, -0.6f, -0.6f], pixels);
    }

    [TestMethod]
    public void NormalizeImages_OneChannelOfColor_WeighsTheColors()
    {
        var pixels = Normalize(TestImages.Plain(1, 1, 255, 0, 0), width: 1, height: 1);
        Assert.AreSequenceEqual([(76 - 127.5f) * (1 / 127.5f)], pixels); // 0.3 * 255 = 76.5
    }

    [TestMethod]
    public void NormalizeImages_WideImage_KeepsItsCentre()
    {
        byte[] black = [0, 0, 0, 255];
        byte[] white = [255, 255, 255, 255];
        byte[] row = [.. black, .. white, .. white, .. black];
        var image = MLImage.CreateFromPixels(4, 2, MLPixelFormat.Bgra32, [.. row, .. row]);
        Assert.AreSequenceEqual([1f, 1f, 1f, 1f], Normalize(image, width: 2, height: 2));
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void NormalizeImages_Schema_IsChannelsHeightWidth(int channels)
    {
        var view = TestImages.View(Ml, TestImages.Plain(2, 2, 0, 0, 0));
        var model = Ml.Transforms.NormalizeImages("Pixels", "Image", 6, 4, channels).Fit(view);
        var schema = model.GetOutputSchema(view.Schema, TransformerScope.Training);
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, channels, 4, 6), schema["Pixels"].Type);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void NormalizeImages_ForScoring_IsLeftOut(int channels)
    {
        var view = TestImages.View(Ml, TestImages.Plain(2, 2, 0, 0, 0));
        var model = Ml.Transforms.NormalizeImages("Pixels", "Image", 4, 4, channels)
            .Append(Ml.Transforms.CopyColumns("Copy", "Image"))
            .Fit(view);

        var scoring = model.GetModelFor(TransformerScope.Scoring);

        Assert.HasCount(1, scoring);
        Assert.IsNull(scoring.GetOutputSchema(view.Schema).GetColumnOrNull("Pixels"));
        Assert.IsNotNull(model.GetOutputSchema(view.Schema, TransformerScope.TrainTest).GetColumnOrNull("Pixels"));
    }

    [TestMethod]
    public void NormalizeImages_InsideAnotherChain_GivesNothing()
    {
        var view = TestImages.View(Ml, TestImages.Plain(2, 2, 0, 0, 0));
        var model = Ml.Transforms.CopyColumns("Copy", "Image")
            .Append(Ml.Transforms.NormalizeImages("Pixels", "Image", 4, 4))
            .Fit(view);
        Assert.IsNull(model.GetOutputSchema(view.Schema, TransformerScope.Training).GetColumnOrNull("Pixels"));
    }

    [TestMethod]
    public void NormalizeImages_BeforeMapValueToKey_ReadsMnist()
    {
        var mnist = Ml.Data.TakeRows(Ml.Data.LoadMnist(TestData.Find("mnist")), 3);

        var pipeline = Ml.Transforms.NormalizeImages("Pixels", "Image", 32, 32)
            .Append(Ml.Transforms.Conversion.MapValueToKey("Label"));
        var rows = pipeline.Fit(mnist).Transform(mnist, TransformerScope.Training);

        var images = rows.GetColumn<float[]>("Pixels");
        Assert.HasCount(3, images.Where(pixels => pixels.Length == 1024 && pixels.Min() == -1 && pixels.Max() > 0.9f));
        Assert.AreSequenceEqual([1u, 2u, 3u], rows.GetColumn<uint>("Label"));
    }

    [TestMethod]
    [DataRow(0, 4, 1, "imageWidth")]
    [DataRow(4, -1, 1, "imageHeight")]
    [DataRow(4, 4, 0, "channels")]
    [DataRow(4, 4, 2, "channels")]
    [DataRow(4, 4, 4, "channels")]
    public void NormalizeImages_BadArgument_NamesIt(int width, int height, int channels, string name)
    {
        var e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Ml.Transforms.NormalizeImages("Pixels", "Image", width, height, channels));
        Assert.AreEqual(name, e.ParamName);
    }

    [TestMethod]
    public void NormalizeImages_EmptyColumnName_Throws()
    {
        Assert.ThrowsExactly<ArgumentException>(() => Ml.Transforms.NormalizeImages("", "Image", 4, 4));
        Assert.ThrowsExactly<ArgumentException>(() => Ml.Transforms.NormalizeImages("Pixels", " ", 4, 4));
    }

    private static float[] Normalize(MLImage image, int width, int height, int channels = 1)
    {
        var view = TestImages.View(Ml, image);
        var model = Ml.Transforms.NormalizeImages("Pixels", "Image", width, height, channels).Fit(view);
        return model.Transform(view, TransformerScope.Training).GetColumn<float[]>("Pixels").Single();
    }
}
