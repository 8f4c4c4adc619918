using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Imaging;

[TestClass]
public sealed class ImageGridTests
{
    [TestMethod]
    public void Compose_ThreeInTwoColumns_PutsThemRowByRow()
    {
        MLImage[] images =
        [
            TestImages.Plain(1, 2, 10, 20, 30),
            TestImages.Plain(1, 2, 11, 21, 31),
            TestImages.Plain(1, 2, 12, 22, 32),
        ];

        using var grid = ImageGrid.Compose(images, columns: 2, padding: 1, scale: 2);

        // Each image becomes a cell of 2 x 4 pixels, with 1 pixel of background around it.
        Assert.AreEqual((7, 11), (grid.Height, grid.Width));
        const string Expected =
            """
            ...........
            .AAAA.BBBB.
            .AAAA.BBBB.
            ...........
            .CCCC......
            .CCCC......
            ...........
            """;
        var rows = Enumerable.Range(0, 7)
            .Select(y => string.Concat(Enumerable.Range(0, 11).Select(x => Letter(grid, y, x))));
        Assert.AreEqual(Expected, string.Join('\n', rows));
    }

    [TestMethod]
    public void Compose_Scaled_RepeatsEachPixel()
    {
        using var image = MLImage.CreateFromPixels(2, 1, MLPixelFormat.Rgba32, [1, 2, 3, 255, 4, 5, 6, 255]);
        using var grid = ImageGrid.Compose([image], columns: 5, padding: 0, scale: 2);
        byte[] row = [3, 2, 1, 255, 3, 2, 1, 255, 6, 5, 4, 255, 6, 5, 4, 255];
        CollectionAssert.AreEqual(row.Concat(row).ToArray(), grid.Pixels.ToArray());
    }

    [TestMethod]
    public void Save_Png_ReplacesTheFileExactlyAndLeavesNothingElse()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File(Path.Combine("new", "deeper", "grid.PNG"));
        MLImage[] images =
        [
            TestImages.Random(4, 5, MLPixelFormat.Bgra32, 1),
            TestImages.Random(4, 5, MLPixelFormat.Rgba32, 2),
        ];

        ImageGrid.Save([images[0]], 1, path);
        ImageGrid.Save(images, 2, path, padding: 2, scale: 3);

        using var saved = MLImage.CreateFromFile(path);
        using var grid = ImageGrid.Compose(images, 2, padding: 2, scale: 3);
        CollectionAssert.AreEqual(grid.Pixels.ToArray(), saved.Pixels.ToArray());
        var files = Directory.GetFiles(directory.Path, "*", SearchOption.AllDirectories);
        CollectionAssert.AreEqual(new[] { path }, files);
    }

    [TestMethod]
    [DataRow("grid.jpg")]
    [DataRow("grid.jpeg")]
    [DataRow("grid.webp")]
    public void Save_OtherFormats_CanBeReadBack(string name)
    {
        using var directory = new TemporaryDirectory();
        using var image = TestImages.Plain(8, 8, 200, 100, 50);
        ImageGrid.Save([image], 1, directory.File(name));
        using var saved = MLImage.CreateFromFile(directory.File(name));
        Assert.AreEqual((10, 10), (saved.Height, saved.Width));
    }

    [TestMethod]
    public void Save_TargetIsADirectory_LeavesNoTemporaryFile()
    {
        using var directory = new TemporaryDirectory();
        using var image = TestImages.Plain(2, 2, 0, 0, 0);
        var path = directory.File("grid.png");
        Directory.CreateDirectory(path);

        try
        {
            ImageGrid.Save([image], 1, path);
            Assert.Fail("A file must not replace a directory.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) // which one depends on the platform
        {
            Assert.IsEmpty(Directory.GetFiles(directory.Path));
        }
    }

    [TestMethod]
    [DataRow("grid.bmp", ".bmp")]
    [DataRow("grid", "''")]
    public void Save_OtherExtension_NamesIt(string path, string found)
    {
        using var image = TestImages.Plain(2, 2, 0, 0, 0);
        var e = Assert.ThrowsExactly<ArgumentException>(() => ImageGrid.Save([image], 1, path));
        Assert.Contains(found, e.Message);
        Assert.Contains(".png, .jpg", e.Message);
    }

    [TestMethod]
    public void Compose_NoImages_Throws() =>
        Assert.ThrowsExactly<ArgumentException>(() => ImageGrid.Compose([], 1, 1, 1));

    [TestMethod]
    public void Compose_ImagesOfTwoSizes_NamesThem()
    {
        MLImage[] images =
        [
            TestImages.Plain(2, 3, 0, 0, 0),
            TestImages.Plain(2, 3, 0, 0, 0),
            TestImages.Plain(4, 5, 0, 0, 0),
        ];
        var e = Assert.ThrowsExactly<ArgumentException>(() => ImageGrid.Compose(images, 1, 1, 1));
        Assert.Contains("image 0 is 3 x 2 pixels, image 2 is 5 x 4", e.Message);
    }

    [TestMethod]
    [DataRow(0, 1, 1, "columns")]
    [DataRow(1, -1, 1, "padding")]
    [DataRow(1, 1, 0, "scale")]
    public void Compose_BadNumber_NamesIt(int columns, int padding, int scale, string name)
    {
        using var image = TestImages.Plain(2, 2, 0, 0, 0);
        var e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => ImageGrid.Compose([image], columns, padding, scale));
        Assert.AreEqual(name, e.ParamName);
    }

    [TestMethod]
    public void Compose_TooLarge_Throws()
    {
        using var image = TestImages.Plain(2, 2, 0, 0, 0);
        Assert.ThrowsExactly<OverflowException>(() => ImageGrid.Compose([image], 1, 1, 100_000));
    }

    private static char Letter(MLImage grid, int y, int x)
    {
        var pixel = grid.Pixels.Slice((y * grid.Width + x) * 4, 4).ToArray();
        return (pixel[2], pixel[1], pixel[0], pixel[3]) switch
        {
            (10, 20, 30, 255) => 'A',
            (11, 21, 31, 255) => 'B',
            (12, 22, 32, 255) => 'C',
            (64, 64, 64, 255) => '.',
            _ => '?',
        };
    }
}
