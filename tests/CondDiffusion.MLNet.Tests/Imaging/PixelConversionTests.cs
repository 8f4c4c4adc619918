using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Imaging;

[TestClass]
public sealed class PixelConversionTests
{
    [TestMethod]
    public void ToImage_Grey_IsRoundedClampedAndOpaque()
    {
        using var image = PixelConversion.ToImage(
            [-1, 0.001f, 1, -3, 3, float.NaN, float.PositiveInfinity, float.NegativeInfinity],
            new(Channels: 1, Height: 2, Width: 4));

        Assert.AreEqual((2, 4, MLPixelFormat.Bgra32), (image.Height, image.Width, image.PixelFormat));
        byte[] levels = [0, 128, 255, 0, 255, 0, 255, 0];
        var expected = levels.SelectMany(level => new byte[] { level, level, level, 255 }).ToArray();
        CollectionAssert.AreEqual(expected, image.Pixels.ToArray());
    }

    [TestMethod]
    public void ToImage_Color_TakesPlanesOfRedGreenBlue()
    {
        using var image = PixelConversion.ToImage([1, -1, -0.6f, 1, -1, 0.6f], new(Channels: 3, Height: 1, Width: 2));

        CollectionAssert.AreEqual(new byte[] { 0, 51, 255, 255, 204, 255, 0, 255 }, image.Pixels.ToArray());
    }

    [TestMethod]
    public void ToImages_OfManyBatches_KeepsNoEarlierPixels()
    {
        var batches = new List<WeakReference>();
        var images = PixelConversion.ToImages(
            new[] { -1f, 0, 1 }.Select(CreateBatch), new(Channels: 1, Height: 1, Width: 2));
        byte[] levels = [.. images.Select(image => image.Pixels[0])];
        foreach (var image in images) image.Dispose();
        CollectionAssert.AreEqual(new byte[] { 0, 0, 128, 128, 255, 255 }, levels);

        float[] CreateBatch(float value)
        {
            GC.Collect();
            if (batches.Count > 1) Assert.IsFalse(batches[^2].IsAlive, "The pixels of an earlier batch are kept.");
            float[] batch = [value, value, value, value];
            batches.Add(new(batch));
            return batch;
        }
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void ToImage_OfFromImage_RestoresEveryLevel(int channels)
    {
        var levels = Enumerable.Range(0, 256)
            .SelectMany(level => Enumerable.Repeat((byte)level, 3).Append((byte)255)).ToArray();
        using var image = MLImage.CreateFromPixels(16, 16, MLPixelFormat.Bgra32, levels);
        var pixels = new float[channels * 256];

        PixelConversion.FromImage(image, channels, pixels);
        using var back = PixelConversion.ToImage(pixels, new(channels, 16, 16));

        CollectionAssert.AreEqual(levels, back.Pixels.ToArray());
    }

    [TestMethod]
    [DataRow(1, MLPixelFormat.Bgra32)]
    [DataRow(1, MLPixelFormat.Rgba32)]
    [DataRow(3, MLPixelFormat.Bgra32)]
    [DataRow(3, MLPixelFormat.Rgba32)]
    public void FromImage_RandomColors_EqualsMLNetsTransforms(int channels, MLPixelFormat format)
    {
        const int Height = 120;
        const int Width = 150;
        using var image = TestImages.Random(Height, Width, format, seed: 5);
        var pixels = new float[channels * Height * Width];
        PixelConversion.FromImage(image, channels, pixels);

        var ml = new MLContext(seed: 1);
        var view = TestImages.View(ml, TestImages.Random(Height, Width, format, seed: 5));
        var expected = TestImages.NormalizeByMLNet(ml, view, Height, Width, channels);
        CollectionAssert.AreEqual(expected, pixels);
    }

    [TestMethod]
    [DataRow(MLPixelFormat.Bgra32)]
    [DataRow(MLPixelFormat.Rgba32)]
    public void ToBgra_AnyFormat_GivesBlueGreenRed(MLPixelFormat format)
    {
        var bytes = new byte[] { 10, 20, 30, 255, 40, 50, 60, 255 };
        var swapped = new byte[] { 30, 20, 10, 255, 60, 50, 40, 255 };
        using var image = MLImage.CreateFromPixels(2, 1, format, bytes);
        CollectionAssert.AreEqual(format == MLPixelFormat.Bgra32 ? bytes : swapped, PixelConversion.ToBgra(image));
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(2)]
    [DataRow(4)]
    public void ToImage_OtherChannels_Throws(int channels) =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => PixelConversion.ToImage(new float[4 * channels], new(channels, 2, 2)));

    [TestMethod]
    public void ToImage_WrongLength_NamesBoth()
    {
        var e = Assert.ThrowsExactly<ArgumentException>(
            () => PixelConversion.ToImage(new float[11], new(Channels: 3, Height: 2, Width: 2)));

        Assert.Contains("Expected 12 pixel values, found 11", e.Message);
    }
}
