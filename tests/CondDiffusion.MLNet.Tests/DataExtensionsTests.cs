using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using static CondDiffusion.MLNet.Tests.Support.IdxWriter;

namespace CondDiffusion.MLNet.Tests;

[TestClass]
public sealed class DataExtensionsTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    [DataRow("", false)]
    [DataRow(".gz", true)]
    [DataRow("", true)] // gzip is recognized by its content
    [DataRow(".gz", false)]
    public void LoadMnist_RawOrGzip_GivesThePixelsAndLabels(string extension, bool isGzip)
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllBytes(directory.File(Images + extension), isGzip ? Gzip(ImageBytes(5)) : ImageBytes(5));
        File.WriteAllBytes(directory.File(Labels + extension), isGzip ? Gzip(LabelBytes(5)) : LabelBytes(5));

        var view = Ml.Data.LoadMnist(directory.Path);

        Assert.AreEqual(new ImageDataViewType(Height, Width), view.Schema["Image"].Type);
        Assert.AreEqual(NumberDataViewType.UInt32, view.Schema["Label"].Type);
        Assert.AreEqual(5, view.GetRowCount());
        Assert.AreSequenceEqual(Enumerable.Range(0, 5).Select(row => (uint)Label(row)), view.GetColumn<uint>("Label"));
        var images = view.GetColumn<MLImage>("Image").ToArray();
        for (var row = 0; row < 5; row++)
        {
            Assert.AreEqual((Height, Width), (images[row].Height, images[row].Width));
            Assert.AreEqual(MLPixelFormat.Bgra32, images[row].PixelFormat);
            var levels = Enumerable.Range(0, Height * Width).Select(i => Level(row, i));
            Assert.AreSequenceEqual(
                levels.SelectMany(level => new byte[] { level, level, level, 255 }), images[row].Pixels.ToArray());
        }
    }

    [TestMethod]
    [DataRow("", false)]
    [DataRow(".gz", true)]
    public void LoadMnist_TestSplitWithDottedNames_IsFound(string extension, bool isGzip)
    {
        using var directory = new TemporaryDirectory();
        var images = directory.File($"t10k-images.idx3-ubyte{extension}");
        var labels = directory.File($"t10k-labels.idx1-ubyte{extension}");
        File.WriteAllBytes(images, isGzip ? Gzip(ImageBytes(2)) : ImageBytes(2));
        File.WriteAllBytes(labels, isGzip ? Gzip(LabelBytes(2)) : LabelBytes(2));

        Assert.AreEqual(2, Ml.Data.LoadMnist(directory.Path, MnistSplit.Test).GetRowCount());
    }

    [TestMethod]
    public void LoadMnist_LabelAboveNine_IsReadAsItIs()
    {
        using var directory = new TemporaryDirectory();
        WriteSet(directory, 1);
        File.WriteAllBytes(directory.File(Labels), Bytes(2049, [1], [200]));

        Assert.AreEqual(200u, Ml.Data.LoadMnist(directory.Path).GetColumn<uint>("Label").Single());
    }

    [TestMethod]
    public void LoadMnist_NoSuchDirectory_SaysWhatToPutThere()
    {
        using var directory = new TemporaryDirectory();
        var missing = directory.File("nowhere");
        Throws.Saying<DirectoryNotFoundException>(() => Ml.Data.LoadMnist(missing), missing, Images, Labels);
    }

    [TestMethod]
    public void LoadMnist_FilesMissing_NamesBothAndTheDirectory()
    {
        using var directory = new TemporaryDirectory();
        Throws.Saying<FileNotFoundException>(
            () => Ml.Data.LoadMnist(directory.Path), $"no '{Images}' and no '{Labels}'", directory.Path);

        File.WriteAllBytes(directory.File(Images), ImageBytes(1));
        Throws.Saying<FileNotFoundException>(
            () => Ml.Data.LoadMnist(directory.Path), Images, $"found no '{Labels}'");
    }

    [TestMethod]
    public void LoadMnist_CountsDiffer_NamesBothCounts()
    {
        using var directory = new TemporaryDirectory();
        WriteSet(directory, 3);
        File.WriteAllBytes(directory.File(Labels), LabelBytes(4));
        Throws.Saying<FormatException>(() => Ml.Data.LoadMnist(directory.Path), "3 images", "4 labels");
    }

    [TestMethod]
    public void LoadMnist_UnknownSplit_Throws() =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Ml.Data.LoadMnist("data", (MnistSplit)2));

    [TestMethod]
    [DataRow("mnist", MnistSplit.Train, 60_000)]
    [DataRow("mnist", MnistSplit.Test, 10_000)]
    [DataRow("fashion-mnist", MnistSplit.Train, 60_000)]
    public void LoadMnist_PublishedFiles_HaveTheirRowsAndLabels(string name, MnistSplit split, int rows)
    {
        var view = Ml.Data.LoadMnist(TestData.Find(name), split);

        Assert.AreEqual(rows, view.GetRowCount());
        Assert.AreEqual(new ImageDataViewType(28, 28), view.Schema["Image"].Type);
        var labels = view.GetColumn<uint>("Label").ToArray();
        Assert.HasCount(rows, labels);
        if ((name, split) == ("mnist", MnistSplit.Train))
        {
            var counts = labels.CountBy(label => label).OrderBy(pair => pair.Key).Select(pair => pair.Value);
            Assert.AreSequenceEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949], counts);
            var first = view.GetColumn<MLImage>("Image").First().Pixels;
            Assert.AreEqual(27_525, Sum(first)); // the first digit, a 5
        }
    }

    private static int Sum(ReadOnlySpan<byte> bgra)
    {
        var sum = 0;
        for (var i = 0; i < bgra.Length; i += 4)
            sum += bgra[i];

        return sum;
    }
}
