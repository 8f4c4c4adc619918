using CondDiffusion.MLNet.Tests.Conformance;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Data;

[TestClass]
public sealed class LoadImageFolderTests : IDisposable
{
    private readonly MLContext _ml = new(seed: 1);
    private readonly TemporaryDirectory _directory = new();
    private readonly List<string> _warnings = [];

    public LoadImageFolderTests() => _ml.Log += (_, entry) =>
    {
        if (entry.Kind == ChannelMessageKind.Warning) _warnings.Add(entry.RawMessage);
    };

    public void Dispose() => _directory.Dispose();

    [TestMethod]
    public void Load_Directories_GivesTheirNamesAsLabelsInAFixedOrder()
    {
        string[] names = ["dog/b.bmp", "cat/9.PNG", "cat/10.jpeg", "cat/inner/x.gif", "dog/B.webp", "cat/inner/y.jpg"];
        foreach (var name in names) _directory.Write(name);

        var view = Load();

        Assert.AreSequenceEqual(["Image", "Label", "FileName"], view.Schema.Select(column => column.Name));
        Assert.AreEqual(new ImageDataViewType(), view.Schema["Image"].Type);
        Assert.AreEqual(6, view.GetRowCount());
        Assert.AreSequenceEqual(
        [
            "cat: cat/10.jpeg", "cat: cat/9.PNG", "inner: cat/inner/x.gif", "inner: cat/inner/y.jpg",
            "dog: dog/B.webp", "dog: dog/b.bmp",
        ], Rows(view));
        Assert.IsEmpty(_warnings);
    }

    [TestMethod]
    public void Load_Metadata_GivesItsFilesAndLabelsInItsOrder()
    {
        foreach (var name in new[] { "a.png", "b/c, d.png", "not listed.png", "e" }) _directory.Write(name);
        WriteMetadata("seed,label,file_name\r\n7,\"tall, \"\"thin\"\"\",e\r\n,x,\"b/c, d.png\"\r\n3,x,a.png\r\n");

        Assert.AreSequenceEqual(["tall, \"thin\": e", "x: b/c, d.png", "x: a.png"], Rows(Load()));
    }

    [TestMethod]
    public void Load_MetadataOfGeneratedImages_HasTheColumnIsGenerated()
    {
        foreach (var name in new[] { "1.png", "2.png", "3.png" }) _directory.Write(name);
        WriteMetadata("file_name,is_generated,label\n1.png,True,x\n2.png,false,x\n3.png,True,x\n");

        var view = Load();
        Assert.AreSequenceEqual([true, false, true], view.GetColumn<bool>("IsGenerated"));
        ViewConformance.AreEqual(view, Load());

        WriteMetadata("file_name,is_generated,label\n1.png,True,x\n2.png,,x\n");
        Throws.Saying<FormatException>(() => Load(), "line 3", "expected True or False as is_generated, found ''");
    }

    [TestMethod]
    [DataRow("a/1.png", "metadata.jsonl")]
    [DataRow("1.png", "metadata.parquet")]
    [DataRow("train/1.png", "train/metadata.jsonl")]
    [DataRow("train/a/1.png", "train/metadata.parquet")]
    public void Load_MetadataInAnotherForm_IsRefused(string image, string name)
    {
        _directory.Write(image);
        var path = _directory.Write(name);
        Throws.Saying<FormatException>(() => Load(), path, "expected a metadata.csv with the columns file_name and");
    }

    [TestMethod]
    public void Load_Splits_ChoosesTheTrainingSplitOrTheNamedOne()
    {
        foreach (var name in new[] { "train/a/1.png", "train/.b/1.png", "test/a/2.png", "test/c.png" })
            _directory.Write(name);
        WriteMetadata("file_name,label\nc.png,x\n", "test/");

        Assert.AreSequenceEqual(["a: a/1.png"], Rows(Load()));
        Assert.AreSequenceEqual(["x: c.png"], Rows(Load(new() { Split = "test" })));
        Throws.Saying<DirectoryNotFoundException>(
            () => Load(new() { Split = "validation" }), "Split is 'validation'", _directory.Path, "test, train");

        File.Delete(_directory.File("test/c.png"));
        File.Delete(_directory.File("test/metadata.csv"));
        Assert.AreSequenceEqual(["a: test/a/2.png", "a: train/a/1.png"], Rows(Load(new() { Split = "." })));
    }

    [TestMethod]
    public void Load_SplitWithMetadataAlone_IsTheTrainingSplit()
    {
        foreach (var name in new[] { "train/1.png", "test/2.png" }) _directory.Write(name);
        WriteMetadata("file_name,label\n1.png,x\n", "train/");
        Assert.AreSequenceEqual(["x: 1.png"], Rows(Load()));
    }

    /// <summary>A shell completes the name of a directory with a slash.</summary>
    [TestMethod]
    public void Load_SplitWithASlashAtItsEnd_IsThatDirectory()
    {
        foreach (var name in new[] { "train/a/1.png", "test/b/2.png" }) _directory.Write(name);
        Assert.AreSequenceEqual(["b: b/2.png"], Rows(Load(new() { Split = "test/" })));
    }

    [TestMethod]
    public void Load_SplitsOfOtherNames_AreAWarning()
    {
        foreach (var name in new[] { "Training/a/1.png", "Training/b/1.png", "Testing/a/2.png", "Testing/a/3.png" })
            _directory.Write(name);

        Assert.AreEqual(4, Load().GetRowCount());
        var warning = _warnings.Single(each => each.Contains("same label", StringComparison.Ordinal));
        Assert.Contains(_directory.Path, warning);
        Assert.Contains("the same label, 'a': Testing/a, Training/a. Where these are splits", warning);
        _warnings.Clear();
        Assert.AreEqual(2, Load(new() { Split = "Testing" }).GetRowCount());
        Assert.IsEmpty(_warnings);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("..")]
    [DataRow("../photos")]
    [DataRow("train/a")]
    [DataRow("/")]
    public void Load_SplitThatIsNoName_IsRefused(string split)
    {
        _directory.Write("train/a/1.png");
        Throws.Saying<ArgumentException>(() => Load(new() { Split = split }), $"Split is '{split}'", "the name of a");
    }

    [TestMethod]
    public void Load_LabelCalledTrain_IsALabel()
    {
        foreach (var name in new[] { "car/1.png", "train/1.png", "train/.thumbnails/1.png" }) _directory.Write(name);
        Assert.AreSequenceEqual(["car: car/1.png", "train: train/1.png"], Rows(Load()));
    }

    [TestMethod]
    public void View_ImagesOfAllKinds_KeepsTheRulesOfViews()
    {
        _directory.Write("a/1.png", EncodedImages.Png);
        _directory.Write("a/2.png", EncodedImages.GreyPng);
        _directory.Write("b/1.gif", EncodedImages.Gif);
        _directory.Write("b/2.webp", EncodedImages.WebP);
        var view = Load();

        ViewConformance.AreEqual(view, Load());
        ViewConformance.Refuses(view);
        var ids = ViewConformance.Read(view, _ => true, new Random(3)).Select(row => (int)row.Id.Low);
        int[] order = [0, 1, 2, 3];
        new Random(3).Shuffle(order);
        Assert.IsTrue(view.CanShuffle);
        Assert.AreSequenceEqual(order, ids);
        Assert.AreNotSequenceEqual([0, 1, 2, 3], ids);
        Assert.AreSequenceEqual(
            ["2 x 2", "3 x 1", "2 x 1", "2 x 1"],
            view.GetColumn<MLImage>("Image").Select(image => $"{image.Width} x {image.Height}"));
    }

    [TestMethod]
    public void ImageGetter_CalledAgain_DoesNotDisposeTheFirstImage()
    {
        _directory.Write("a/1.png");
        using var cursor = Load().GetRowCursor(Load().Schema);
        var getter = cursor.GetGetter<MLImage>(cursor.Schema["Image"]);
        MLImage image = null!;
        Assert.ThrowsExactly<InvalidOperationException>(() => getter(ref image));
        Assert.IsTrue(cursor.MoveNext());
        getter(ref image);
        var first = image;
        getter(ref image);

        Assert.AreNotSame(first, image);
        Assert.AreSequenceEqual(first.GetBGRPixels, image.GetBGRPixels);
    }

    [TestMethod]
    public void Load_HiddenFilesAndOtherKinds_AreCountedInOneWarning()
    {
        string[] others = [".a/1.png", ".a/2.png", "a/.3.png", "notes.txt", "a/Thumbs.db"];
        foreach (var name in others.Concat(["a/1.png", "a/2.png"])) _directory.Write(name);

        Assert.AreEqual(2, Load().GetRowCount());
        Assert.HasCount(1, _warnings);
        Assert.Contains(_directory.Path, _warnings[0]);
        Assert.Contains("hidden or not images: 4.", _warnings[0]);
    }

    [TestMethod]
    public void Load_DirectoriesWithoutImagesAndLabelsWithOne_AreWarnings()
    {
        foreach (var name in new[] { "a/1.png", "a/2.png", "b/1.png", "c/1.png" }) _directory.Write(name);
        Directory.CreateDirectory(_directory.File("d/e"));

        Assert.AreEqual(4, Load().GetRowCount());
        Assert.HasCount(2, _warnings);
        Assert.Contains("directories without images: d/e/, d/.", _warnings[0]);
        Assert.Contains("labels with a single image: b, c.", _warnings[1]);
    }

    [TestMethod]
    public void Load_BrokenImage_IsAnErrorOnlyWhenItIsRead()
    {
        _directory.Write("a/1.png");
        var broken = _directory.Write("a/2.png", EncodedImages.Png[..60]);
        var view = Load();

        Assert.AreSequenceEqual(["a: a/1.png", "a: a/2.png"], Rows(view));
        Throws.Saying<FormatException>(() => view.GetColumn<MLImage>("Image").Count(), broken);
    }

    [TestMethod]
    public void Load_SkippingBrokenImages_CountsThem()
    {
        foreach (var name in new[] { "1.png", "2.png", "3.png" }) _directory.Write(name);
        var broken = _directory.Write("4.png", "PGh0bWw+");
        WriteMetadata("file_name,label\n1.png,x\n4.png,x\nmissing.png,x\n3.png,x\n");

        var view = Load(new() { SkipBrokenImages = true });

        Assert.AreEqual(2, view.GetRowCount());
        Assert.AreSequenceEqual(["x: 1.png", "x: 3.png"], Rows(view));
        Assert.HasCount(1, _warnings);
        Assert.Contains("skipped: 2 of 4", _warnings[0]);
        Assert.Contains(broken, _warnings[0]);
    }

    [TestMethod]
    public void Load_NothingToLoad_SaysWhatIsExpected()
    {
        var missing = _directory.File("nowhere");
        Throws.Saying<DirectoryNotFoundException>(() => _ml.Data.LoadImageFolder(missing), missing);
        Throws.Saying<FormatException>(() => Load(), _directory.Path, "no images", ".webp", "metadata.csv");

        _directory.Write("a/1.png", "PGh0bWw+");
        Throws.Saying<FormatException>(() => Load(new() { SkipBrokenImages = true }), _directory.Path, "no images");
    }

    [TestMethod]
    public void Load_OnlyOtherFiles_SaysWhatIsExpected()
    {
        Directory.CreateDirectory(_directory.File("a"));
        Throws.Saying<FormatException>(() => Load(), _directory.Path, "no images");
        File.WriteAllText(_directory.File("a/notes.txt"), "");
        Throws.Saying<FormatException>(() => Load(), _directory.Path, "no images");
        WriteMetadata("file_name,label\n");
        Throws.Saying<FormatException>(() => Load(), _directory.Path, "no images");
    }

    [TestMethod]
    public void Load_ImageBesideTheLabels_IsNamed()
    {
        _directory.Write("a/1.png");
        var image = _directory.Write("1.png");
        Throws.Saying<FormatException>(() => Load(), image, "no label", "metadata.csv");
    }

    [TestMethod]
    [DataRow("", "columns file_name and label, found ''")]
    [DataRow("file_name,text\n1.png,x\n", "columns file_name and label, found 'file_name,text'")]
    [DataRow("file_name,label\n1.png,x\n2.png\n", "line 3: expected 2 fields, found 1")]
    [DataRow("file_name,label\n1.png,\n", "line 2: expected a label of '1.png', found none")]
    [DataRow("file_name,label\n1.png,x\n2.png,x\n1.png,y\n", "line 4: expected each file once, found '1.png'")]
    [DataRow("file_name,label\n1.png,x\n./1.png,y\n", "line 3: expected each file once, found './1.png' of line 2")]
    [DataRow("file_name,label\n../1.png,x\n", "line 2: expected the path of a file in this dir")]
    [DataRow("file_name,label\na/../../1.png,x\n", "this directory, found 'a/../../1.png'")]
    [DataRow("file_name,label\n..\\1.png,x\n", "this directory, found '..\\1.png'")]
    [DataRow("file_name,label\n/1.png,x\n", "found '/1.png'")]
    [DataRow("file_name,label\n,x\n", "found ''")]
    public void Load_BadMetadata_NamesTheFileAndTheLine(string text, string message)
    {
        _directory.Write("1.png");
        _directory.Write("2.png");
        WriteMetadata(text);
        Throws.Saying<FormatException>(() => Load(), _directory.File("metadata.csv"), message);
    }

    [TestMethod]
    public void Load_FilesMissing_CountsAndNamesThem()
    {
        _directory.Write("1.png");
        WriteMetadata("file_name,label\n1.png,x\n2.png,x\nb/3.png,x\n");
        Throws.Saying<FileNotFoundException>(() => Load(), _directory.Path, "2 of the 3", "2.png, b/3.png");
    }

    /// <summary>A folder whose saving was stopped may lack any number, too many for a message.</summary>
    [TestMethod]
    [DataRow(10, ", 8.png, 9.png. Where")]
    [DataRow(12, ", 8.png, 9.png, ... (12). Where")]
    public void Load_ManyFilesMissing_NamesTheFirstTen(int count, string end)
    {
        var lines = Enumerable.Range(0, count).Select(i => $"{i}.png,x\n");
        WriteMetadata("file_name,label\n" + string.Concat(lines));
        Throws.Saying<FileNotFoundException>(() => Load(), $"{count} of the {count}", "hold: 0.png, 1.png, ", end);
    }

    [TestMethod]
    public void Load_Cancelled_Stops()
    {
        _directory.Write("a/1.png");
        var options = new ImageFolderOptions { CancellationToken = new(canceled: true) };
        Assert.ThrowsExactly<OperationCanceledException>(() => Load(options));

        WriteMetadata("file_name,label\na/1.png,a\n");
        Assert.ThrowsExactly<OperationCanceledException>(() => Load(options));

        Load();
        _ml.Cancel();
        Assert.Throws<OperationCanceledException>(() => Load());
    }

    private static IEnumerable<string> Rows(IDataView view) => view.GetColumn<string>("Label")
        .Zip(view.GetColumn<string>("FileName"), (label, name) => $"{label}: {name}");

    private IDataView Load(ImageFolderOptions? options = null) => _ml.Data.LoadImageFolder(_directory.Path, options);

    private void WriteMetadata(string text, string prefix = "") =>
        File.WriteAllText(_directory.File($"{prefix}metadata.csv"), text);
}
