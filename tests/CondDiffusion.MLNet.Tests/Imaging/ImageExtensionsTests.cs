using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Imaging;

[TestClass]
public sealed class ImageExtensionsTests
{
    [TestMethod]
    [DataRow(MLPixelFormat.Bgra32)]
    [DataRow(MLPixelFormat.Rgba32)]
    public void ToPng_AnyFormat_IsThePngThatMLNetSaves(MLPixelFormat format)
    {
        using var directory = new TemporaryDirectory();
        using var image = TestImages.Random(5, 7, format, seed: 1);
        image.Save(directory.File("image.png"));

        var png = image.ToPng();

        Assert.AreSequenceEqual([0x89, (byte)'P', (byte)'N', (byte)'G'], png[..4]);
        using var stream = new MemoryStream(png);
        using var decoded = MLImage.CreateFromStream(stream);
        using var expected = MLImage.CreateFromFile(directory.File("image.png"));
        Assert.AreEqual((5, 7), (decoded.Height, decoded.Width));
        Assert.AreSequenceEqual(expected.Pixels.ToArray(), decoded.Pixels.ToArray());
    }

    [TestMethod]
    public void ToPng_DisposedImage_Throws()
    {
        var image = TestImages.Plain(2, 2, 0, 0, 0);
        image.Dispose();
        Assert.ThrowsExactly<InvalidOperationException>(() => image.ToPng());
    }
}
