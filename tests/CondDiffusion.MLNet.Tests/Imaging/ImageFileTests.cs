using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML.Data;
using SkiaSharp;

namespace CondDiffusion.MLNet.Tests.Imaging;

[TestClass]
public sealed class ImageFileTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [TestMethod]
    [DataRow(EncodedImages.Png, 2, 2, "0 0 255 255, 0 128 0 255, 64 0 0 255, 3 2 1 255")]
    [DataRow(EncodedImages.Bmp, 2, 2, "0 0 255 255, 0 128 0 255, 64 0 0 255, 3 2 1 255")]
    [DataRow(EncodedImages.GreyPng, 3, 1, "0 0 0 255, 100 100 100 255, 255 255 255 255")]
    [DataRow(EncodedImages.TransparentPng, 1, 2, "50 100 200 255, 0 0 0 0")]
    [DataRow(EncodedImages.Gif, 2, 1, "0 0 255 255, 0 128 0 255")]
    [DataRow(EncodedImages.WebP, 2, 1, "30 200 10 255, 30 200 10 255")]
    public void Read_FileOfKnownPixels_GivesThemAndWhatMLNetReads(string content, int width, int height, string bgra)
    {
        var path = _directory.Write("image.of.any.name", content);

        using var image = ImageFile.Read(path);

        Assert.AreEqual((width, height, MLPixelFormat.Bgra32), (image.Width, image.Height, image.PixelFormat));
        var pixels = image.Pixels.ToArray().Chunk(4).Select(pixel => string.Join(' ', pixel));
        Assert.AreEqual(bgra, string.Join(", ", pixels));
        using var expected = MLImage.CreateFromFile(path);
        Assert.AreSequenceEqual(expected.GetBGRPixels, image.GetBGRPixels);
    }

    [TestMethod]
    public void Read_Jpeg_GivesItsPixelsNearly()
    {
        var path = _directory.File("image.jpg");
        using (var plain = TestImages.Plain(16, 8, 10, 200, 30)) plain.Save(path);

        using var image = ImageFile.Read(path);

        Assert.AreEqual((8, 16), (image.Width, image.Height));
        byte[] color = [30, 200, 10];
        var pixels = image.GetBGRPixels;
        Assert.IsTrue(pixels.Select((level, i) => Math.Abs(level - color[i % 3])).All(difference => difference <= 4));
    }

    /// <summary>The EXIF data say that the top of the image is its right side.</summary>
    [TestMethod]
    public void Read_JpegOfATurnedCamera_IsNotTurned()
    {
        var path = _directory.File("image.jpg");
        using (var plain = TestImages.Plain(16, 8, 10, 200, 30)) plain.Save(path);
        var jpeg = File.ReadAllBytes(path);
        var exif = Convert.FromHexString(
            "ffe10022457869660000" + "49492a0008000000" + "0100120103000100000006000000" + "00000000");
        File.WriteAllBytes(path, [.. jpeg[..2], .. exif, .. jpeg[2..]]);

        using var image = ImageFile.Read(path);

        Assert.AreEqual((8, 16), (image.Width, image.Height));
        using var codec = SKCodec.Create(path);
        Assert.AreEqual(SKEncodedOrigin.RightTop, codec.EncodedOrigin);
    }

    [TestMethod]
    [DataRow("png")]
    [DataRow("jpg")]
    [DataRow("webp")]
    public void Read_HalfAFile_NamesIt(string extension)
    {
        var path = _directory.File($"image.{extension}");
        using (var random = TestImages.Random(40, 40, MLPixelFormat.Bgra32, seed: 1)) random.Save(path);
        ImageFile.Read(path).Dispose();
        var bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, bytes[..(bytes.Length / 2)]);

        Throws.Saying<FormatException>(() => ImageFile.Read(path), path, "40 x 40 pixels", "cut short");
    }

    [TestMethod]
    [DataRow("", "0 bytes")]
    [DataRow("PGh0bWw+", "6 bytes")]
    [DataRow(EncodedImages.HugePng, "100000 x 100000 pixels")]
    public void Read_NoImageOrTooLargeOne_NamesTheFileAndWhatWasFound(string content, string found)
    {
        var path = _directory.Write("image.png", content);
        Throws.Saying<FormatException>(() => ImageFile.Read(path), path, "expected", found);
    }

    [TestMethod]
    [DataRow(16_385, 1)]
    [DataRow(1, 16_385)]
    public void Read_OneSideTooLong_NamesTheFileAndItsSize(int width, int height)
    {
        var path = WritePlain(width, height);
        Throws.Saying<FormatException>(
            () => ImageFile.Read(path), path, $"claims an image of {width} x {height} pixels", "sides of 1 to 16384");
    }

    [TestMethod]
    [DataRow(16_384, 1)]
    [DataRow(1, 16_384)]
    public void Read_LongestSide_IsRead(int width, int height)
    {
        using var image = ImageFile.Read(WritePlain(width, height));
        Assert.AreEqual((width, height), (image.Width, image.Height));
    }

    [TestMethod]
    public void Read_NoFile_NamesIt()
    {
        var path = _directory.File("image.png");
        Throws.Saying<FileNotFoundException>(() => ImageFile.Read(path), path);
    }

    private string WritePlain(int width, int height)
    {
        var path = _directory.File("image.png");
        using var plain = TestImages.Plain(height, width, 10, 200, 30);
        plain.Save(path);
        return path;
    }
}
