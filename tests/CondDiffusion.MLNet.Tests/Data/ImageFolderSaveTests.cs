using System.Text;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Data;

[TestClass]
public sealed class ImageFolderSaveTests : IDisposable
{
    private readonly MLContext _ml = new(seed: 1);
    private readonly TemporaryDirectory _directory = new();
    private readonly List<int> _read = [];

    public void Dispose() => _directory.Dispose();

    [TestMethod]
    public void Save_LabelsSeedsAndModels_WritesThemAndTheImages()
    {
        var written = Save(View("cat", "dog, big", "cat"));

        Assert.AreEqual(3, written);
        Assert.AreEqual(
            """
            file_name,label,seed,model
            cat/000000.png,cat,100,tiny
            "dog, big/000001.png","dog, big",101,tiny
            cat/000002.png,cat,102,tiny

            """,
            File.ReadAllText(_directory.File("metadata.csv")));
        Assert.AreSequenceEqual(
            ["cat/000000.png", "cat/000002.png", "dog, big/000001.png", "metadata.csv"], Files());
        for (var row = 0; row < 3; row++)
        {
            var name = new[] { "cat/000000.png", "dog, big/000001.png", "cat/000002.png" }[row];
            using var image = MLImage.CreateFromFile(_directory.File(name));
            using var expected = Picture(row);
            Assert.AreSequenceEqual(expected.GetBGRPixels, image.GetBGRPixels);
        }
    }

    [TestMethod]
    public void Save_OtherColumns_AreThoseThatAreNamed()
    {
        var view = _ml.Transforms.Conversion.MapValueToKey("Key", "Label")
            .Append(_ml.Transforms.CopyColumns("Other", "Image"))
            .Append(_ml.Transforms.CopyColumns("Number", "Seed"))
            .Append(_ml.Transforms.DropColumns("Image", "Label", "Seed", "Model"))
            .Fit(View("cat", "dog")).Transform(View("cat", "dog"));

        Save(view, new() { ImageColumnName = "Other", LabelColumnName = "Key" });
        Assert.AreEqual(
            "file_name,label\ncat/000000.png,cat\ndog/000001.png,dog\n",
            File.ReadAllText(_directory.File("metadata.csv")));

        ImageFolder.Save(
            view,
            _directory.File("second"),
            new() { ImageColumnName = "Other", LabelColumnName = "Key", SeedColumnName = "Number" });
        Assert.AreEqual(
            "file_name,label,seed\ncat/000000.png,cat,100\ndog/000001.png,dog,101\n",
            File.ReadAllText(_directory.File("second/metadata.csv")));
    }

    [TestMethod]
    public void Save_LabelsThatNoFileCanHave_AreEscapedInDirectoriesAndLoadedAsTheyWere()
    {
        string[] labels = ["a/b", "..", ".c", "d.", "50%", "x:y?", "e\nf", "e\rf", "é 1", "say \"g\"", " "];

        Save(View(labels));

        string[] directories =
            ["a%2Fb", "%2E%2E", "%2Ec", "d%2E", "50%25", "x%3Ay%3F", "e%0Af", "e%0Df", "é 1", "say %22g%22", "%20"];
        CheckDirectories(directories, labels);
    }

    [TestMethod]
    public void Save_LabelsThatSomeSystemsTakeForOneOrForADevice_HaveDirectoriesOfTheirOwn()
    {
        string[] labels =
        [
            "ab", "Ab", "aB", "AB", "con", "Aux", "nul.txt", "com1", "com", "console", "É", "é", "metadata.csv", "ab",
        ];

        Save(View(labels));

        string[] directories =
        [
            "ab", "%41b", "%61B", "%41%42", "%63on", "%41ux", "%6Eul.txt", "%63om1", "com", "console", "É", "%C3%A9",
            "%6Detadata.csv",
        ];
        CheckDirectories(directories, labels);
    }

    [TestMethod]
    public void Save_LongLabels_HaveShorterDirectories()
    {
        string[] labels =
            [new('x', 100), new string('x', 300) + "1", new string('x', 300) + "2", new('山', 200)];

        Save(View(labels));

        string[] directories = [.. Directory.GetDirectories(_directory.Path).Select(path => Path.GetFileName(path))];
        Assert.HasCount(4, directories);
        Assert.Contains(labels[0], directories);
        Assert.IsTrue(directories.All(name => Encoding.UTF8.GetByteCount(name) is > 90 and <= 100));
        Assert.AreSequenceEqual(labels, _ml.Data.LoadImageFolder(_directory.Path).GetColumn<string>("Label"));
    }

    [TestMethod]
    public void Save_StoppedAndRunAgain_ReadsAndWritesOnlyWhatIsMissing()
    {
        var view = View("cat", "dog", "cat", "dog", "cat");
        using var cancellation = new CancellationTokenSource();
        var progress = new List<ImageFolderProgress>();
        var options = new ImageFolderSaveOptions
        {
            CancellationToken = cancellation.Token,
            Progress = new Receiver(report =>
            {
                progress.Add(report);
                if (report.Saved == 2) cancellation.Cancel();
            }),
        };

        Assert.ThrowsExactly<OperationCanceledException>(() => Save(view, options));
        Assert.AreSequenceEqual([0, 1], _read);
        Assert.AreSequenceEqual(["cat/000000.png", "dog/000001.png", "metadata.csv"], Files());
        Throws.Saying<FileNotFoundException>(() => _ml.Data.LoadImageFolder(_directory.Path), "3 of the 5", "Save");

        File.WriteAllText(_directory.File("cat/000000.png"), "mine");
        progress.Clear();
        _read.Clear();
        Assert.AreEqual(3, Save(view, options with { CancellationToken = default }));
        Assert.AreSequenceEqual([2, 3, 4], _read);
        Assert.AreEqual("mine", File.ReadAllText(_directory.File("cat/000000.png")));
        Assert.AreSequenceEqual(
            ["1 5 0", "2 5 0", "3 5 1", "4 5 2", "5 5 3"],
            progress.Select(report => $"{report.Saved} {report.Images} {report.Written}"));

        _read.Clear();
        Assert.AreEqual(0, Save(view));
        Assert.IsEmpty(_read);
    }

    [TestMethod]
    public void Save_ImageThatCannotBeRead_LeavesTheOthersAndIsContinued()
    {
        var fails = true;
        var rows = Enumerable.Range(0, 3).Select(i => new Row(i, "cat", row =>
        {
            if (row == 1 && fails) throw new NotSupportedException("not now");
        }));
        var view = _ml.Data.LoadFromEnumerable(rows);

        Assert.ThrowsExactly<NotSupportedException>(() => Save(view));
        Assert.AreSequenceEqual(["cat/000000.png", "metadata.csv"], Files());

        fails = false;
        Assert.AreEqual(2, Save(view));
    }

    [TestMethod]
    public void Save_GeneratedView_GeneratesOnlyMissingImagesAndTheSameAgain()
    {
        var options = new ImageFolderSaveOptions { ImageColumnName = "GeneratedImage" };
        var model = Tiny.Create(_ml);
        var view = model.Transform(Tiny.Rows(_ml, 8));
        Assert.AreEqual(8, Save(view, options));
        var first = File.ReadAllBytes(_directory.File("1/000000.png"));
        File.Delete(_directory.File("1/000000.png"));
        Assert.AreEqual(1, Save(view, options));
        Assert.AreSequenceEqual(first, File.ReadAllBytes(_directory.File("1/000000.png")));

        model.Dispose(); // from now on, generating fails
        Assert.AreEqual(0, Save(view, options));
        File.Delete(_directory.File("2/000007.png"));
        Assert.ThrowsExactly<ObjectDisposedException>(() => Save(view, options));
    }

    [TestMethod]
    [DataRow("row 1", "cat", "cat")]
    [DataRow("row 2", "cat", "dog", "cat")]
    [DataRow("lists 2 images, but the data has 1 rows", "cat")]
    public void Save_IntoTheFolderOfOtherRows_SaysWhereTheyDiffer(string where, params string[] labels)
    {
        Save(View("cat", "dog"));
        _read.Clear();

        Throws.Saying<InvalidOperationException>(() => Save(View(labels)), _directory.File("metadata.csv"), where);
        Throws.Saying<InvalidOperationException>(
            () => Save(View("cat", "dog"), new() { SeedColumnName = "Label" }), "row 0", ",cat,100,", ",cat,cat,");
        Throws.Saying<InvalidOperationException>(
            () => Save(View("cat", "dog"), new() { ModelColumnName = "Seed" }), "row 0", ",cat,100,100", ",tiny'");
        Assert.IsEmpty(_read);
        Assert.AreSequenceEqual(["cat/000000.png", "dog/000001.png", "metadata.csv"], Files());
    }

    [TestMethod]
    [DataRow("row 2", "cat", "dog", "dog")]
    [DataRow("row 3", "cat", "dog", "cat", "dog")]
    [DataRow("lists 3 images, but the data has 2 rows", "cat", "dog")]
    public void Save_OtherRowsIntoAnIncompleteFolder_LeavesItAsItIs(string where, params string[] labels)
    {
        Save(View("cat", "dog", "cat"));
        File.Delete(_directory.File("cat/000000.png"));
        _read.Clear();

        Throws.Saying<InvalidOperationException>(() => Save(View(labels)), _directory.File("metadata.csv"), where);

        Assert.IsEmpty(_read);
        Assert.AreSequenceEqual(["cat/000002.png", "dog/000001.png", "metadata.csv"], Files());
    }

    [TestMethod]
    public void Save_MetadataThatAppearsMeanwhile_IsKept()
    {
        var path = _directory.File("metadata.csv");
        var labels = new[] { "cat", "dog" }.Select(label =>
        {
            File.WriteAllText(path, "another's");
            return label;
        });

        Throws.Saying<InvalidOperationException>(() => Save(View(labels)), path, "has appeared");

        Assert.AreEqual("another's", File.ReadAllText(path));
        Assert.AreSequenceEqual(["metadata.csv"], Files());
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Save_Images_AreDisposedWhereTheViewMakesThem(bool makesImages)
    {
        MLImage[] images = [Picture(0), Picture(1)];
        var view = _ml.Data.LoadFromEnumerable(images.Select(image => new WithoutImage { Image = image }));

        Save(makesImages ? new ImageMaker(view) : view);

        foreach (var image in images)
        {
            if (makesImages) Assert.Throws<InvalidOperationException>(() => image.GetBGRPixels);
            else Assert.IsNotEmpty(image.GetBGRPixels);
            image.Dispose();
        }
    }

    [TestMethod]
    public void MakesImages_ViewsOfTheLibrary_AreThoseThatMakeThem()
    {
        _directory.Write("cat/1.png");
        using var model = Tiny.Create(_ml);
        var generated = model.Transform(Tiny.Rows(_ml, 2));

        Assert.IsTrue(Makes(_ml.Data.LoadImageFolder(_directory.Path), "Image"));
        Assert.IsTrue(Makes(generated, "GeneratedImage"));
        Assert.IsFalse(Makes(generated, generated.Schema[0].Name));

        static bool Makes(IDataView view, string column) => ((IImageMaker)view).MakesImages(view.Schema[column]);
    }

    [TestMethod]
    public void Save_AugmentedRows_KeepWhichOnesAreGenerated()
    {
        var view = _ml.Data.LoadFromEnumerable(
            new[] { true, false }.Select(isGenerated => new MaybeGenerated { IsGenerated = isGenerated }));

        Save(view);

        Assert.AreEqual(
            "file_name,label,is_generated\ncat/000000.png,cat,True\ncat/000001.png,cat,False\n",
            File.ReadAllText(_directory.File("metadata.csv")));
        var loaded = _ml.Data.LoadImageFolder(_directory.Path);
        Assert.AreSequenceEqual([true, false], loaded.GetColumn<bool>("IsGenerated"));
    }

    [TestMethod]
    public void Save_IntoAFolderOfOtherFiles_LeavesIt()
    {
        _directory.Write(".hidden");
        _directory.Write("cat/000000.png");
        Throws.Saying<InvalidOperationException>(() => Save(View("cat")), _directory.Path, "no metadata.csv", "empty");

        File.WriteAllText(_directory.File("metadata.csv"), "file_name,text\ncat/000000.png,x\n");
        Throws.Saying<InvalidOperationException>(
            () => Save(View("cat")), "expected 'file_name,label,seed,model' for the header, found 'file_name,text'");

        Assert.AreSequenceEqual([".hidden", "cat/000000.png", "metadata.csv"], Files());
        Assert.IsEmpty(_read);
    }

    /// <summary>What fails while an image is written leaves no part of it.</summary>
    [TestMethod]
    public void Save_ImageThatCannotBeWritten_IsNamedAndLeavesNothing()
    {
        Save(View("cat", "dog"));
        var image = _directory.File("cat/000000.png");
        File.Delete(image);
        Directory.CreateDirectory(image);
        Throws.Saying<IOException>(() => Save(View("cat", "dog")), image);
        Assert.AreSequenceEqual(["dog/000001.png", "metadata.csv"], Files());

        Directory.Delete(_directory.File("cat"), recursive: true);
        File.WriteAllText(_directory.File("cat"), "a file");
        Throws.Saying<IOException>(() => Save(View("cat", "dog")), _directory.File("cat"));
        Assert.AreSequenceEqual(["cat", "dog/000001.png", "metadata.csv"], Files());
    }

    [TestMethod]
    public void Save_PathOfAFile_NamesIt()
    {
        var path = _directory.Write("file");
        Throws.Saying<IOException>(() => ImageFolder.Save(View("cat"), path), path);
        Assert.IsEmpty(_read);
    }

    [TestMethod]
    public void Save_BadRows_AreNamedAndNothingIsWritten()
    {
        Throws.Saying<InvalidOperationException>(() => Save(View("cat", "")), "Row 1", "'Label' has no label");
        Throws.Saying<InvalidOperationException>(() => Save(View()), "no rows");
        Assert.IsEmpty(Files());

        var noImage = _ml.Data.LoadFromEnumerable([new WithoutImage()]);
        Throws.Saying<InvalidOperationException>(() => Save(noImage), "Row 0", "'Image' has no image");
    }

    /// <summary>NaN is the missing value of both types.</summary>
    [TestMethod]
    [DataRow(nameof(Numbered.Single))]
    [DataRow(nameof(Numbered.Double))]
    public void Save_NumberThatIsMissing_IsNoLabel(string column)
    {
        var view = _ml.Data.LoadFromEnumerable([new Numbered(1), new Numbered(float.NaN)]);

        Throws.Saying<InvalidOperationException>(
            () => Save(view, new() { LabelColumnName = column }), $"Row 1: column '{column}' has no label");

        Assert.IsEmpty(Files());
    }

    /// <summary>Rows in memory may be repeated, as where a rare label is to count more.</summary>
    [TestMethod]
    public void Save_RowTwiceInSuccession_SavesItsImageTwice()
    {
        using var image = Picture(0);
        var row = new WithoutImage { Image = image };

        Assert.AreEqual(2, Save(_ml.Data.LoadFromEnumerable([row, row])));

        foreach (var name in new[] { "cat/000000.png", "cat/000001.png" })
        {
            using var saved = MLImage.CreateFromFile(_directory.File(name));
            Assert.AreSequenceEqual(image.GetBGRPixels, saved.GetBGRPixels);
        }
    }

    /// <summary>ML.NET's transforms give back the image of the row before, disposed, for a missing one.</summary>
    [TestMethod]
    public void Save_ImageMissingBehindATransform_NamesTheRow()
    {
        using var image = TestImages.Plain(4, 4, 1, 2, 3);
        var rows = _ml.Data.LoadFromEnumerable([new WithoutImage { Image = image }, new WithoutImage()]);
        var resized = _ml.Transforms.ResizeImages("Image", 8, 8).Fit(rows).Transform(rows);
        Throws.Saying<InvalidOperationException>(() => Save(resized), "Row 1: column 'Image' has no image.");
    }

    [TestMethod]
    public void Save_BadColumns_AreNamedWithTheirOptions()
    {
        Fail(new() { ImageColumnName = "X" }, "ImageColumnName", "no column 'X'");
        Fail(new() { LabelColumnName = "X" }, "LabelColumnName", "no column 'X'");
        Fail(new() { SeedColumnName = "X" }, "SeedColumnName", "no column 'X'");
        Fail(new() { ModelColumnName = "X" }, "ModelColumnName", "no column 'X'");
        Fail(new() { ImageColumnName = "Label" }, "'Label' must hold images", "String");
        Fail(new() { LabelColumnName = "Image" }, "LabelColumnName", "'Image' must hold keys");
        Fail(new() { SeedColumnName = "Image" }, "SeedColumnName", "'Image' must hold keys");
        Fail(new() { ModelColumnName = "Image" }, "ModelColumnName", "'Image' must hold keys");
        Assert.IsEmpty(Files());

        void Fail(ImageFolderSaveOptions options, params ReadOnlySpan<string> parts) =>
            Throws.Saying<ArgumentException>(() => Save(View("cat"), options), parts);
    }

    [TestMethod]
    public void Save_UsualColumnsThatCannotBeWritten_AreLeftOutUnlessTheyAreNamed()
    {
        var view = _ml.Data.LoadFromEnumerable([new OtherColumns()]);
        Throws.Saying<ArgumentException>(() => Save(view, new() { SeedColumnName = "Seed" }), "SeedColumnName", "Seed");
        Throws.Saying<ArgumentException>(() => Save(view, new() { ModelColumnName = "Model" }), "ModelColumnName");

        Save(view);

        Assert.AreEqual(
            "file_name,label\ncat/000000.png,cat\n", File.ReadAllText(_directory.File("metadata.csv")));
    }

    private static MLImage Picture(int row) => TestImages.Random(3, 2, MLPixelFormat.Bgra32, row);

    /// <summary>Asserts which directories the folder has, and that its images are loaded with their labels.</summary>
    private void CheckDirectories(string[] directories, string[] labels)
    {
        Assert.AreSequenceEqual(
            directories.Order(StringComparer.Ordinal),
            Directory.GetDirectories(_directory.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        var loaded = _ml.Data.LoadImageFolder(_directory.Path);
        Assert.AreSequenceEqual(labels, loaded.GetColumn<string>("Label"));
        Assert.AreEqual(labels.Length, loaded.GetColumn<MLImage>("Image").Count());
    }

    private IDataView View(params IEnumerable<string> labels) =>
        _ml.Data.LoadFromEnumerable(labels.Select((label, i) => new Row(i, label, _read.Add)));

    private int Save(IDataView view, ImageFolderSaveOptions? options = null) =>
        ImageFolder.Save(view, _directory.Path, options);

    /// <summary>Returns all files of the folder, hidden ones too.</summary>
    private IEnumerable<string> Files() =>
        Directory.GetFiles(_directory.Path, "*", new EnumerationOptions
        {
            AttributesToSkip = FileAttributes.None,
            RecurseSubdirectories = true,
        })
        .Select(file => Path.GetRelativePath(_directory.Path, file).Replace('\\', '/'))
        .Order(StringComparer.Ordinal);

    private sealed class Receiver(Action<ImageFolderProgress> receive) : IProgress<ImageFolderProgress>
    {
        public void Report(ImageFolderProgress value) => receive(value);
    }

    private sealed class Row(int index, string label, Action<int> read)
    {
        public string Label => label;

        public long Seed => 100 + index;

        public string Model => "tiny";

        [ImageType(3, 2)]
        public MLImage Image
        {
            get
            {
                read(index);
                return Picture(index);
            }
        }
    }

    private sealed class Numbered(float label)
    {
        public float Single => label;

        public double Double => label;

        [ImageType(3, 2)]
        public MLImage Image => Picture(0);
    }

    private sealed class MaybeGenerated
    {
        public string Label { get; set; } = "cat";

        [ImageType(3, 2)]
        public MLImage Image { get; set; } = Picture(0);

        public bool IsGenerated { get; set; }
    }

    private sealed class OtherColumns
    {
        public string Label { get; set; } = "cat";

        [ImageType(3, 2)]
        public MLImage Image { get; set; } = Picture(0);

        public float[] Seed { get; set; } = [1, 2];

        public DateTime Model { get; set; }

        public string IsGenerated { get; set; } = "yes";
    }

    /// <summary>A view of rows in memory that claims to make their images.</summary>
    private sealed class ImageMaker(IDataView source) : IDataView, IImageMaker
    {
        public DataViewSchema Schema => source.Schema;

        public bool CanShuffle => false;

        public bool MakesImages(DataViewSchema.Column column) => true;

        public long? GetRowCount() => source.GetRowCount();

        public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) =>
            source.GetRowCursor(columnsNeeded, rand);

        public DataViewRowCursor[] GetRowCursorSet(
            IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
            [GetRowCursor(columnsNeeded, rand)];
    }

    private sealed class WithoutImage
    {
        public string Label { get; set; } = "cat";

        [ImageType(3, 2)]
        public MLImage? Image { get; set; }
    }
}
