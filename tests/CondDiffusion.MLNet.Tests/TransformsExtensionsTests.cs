using System.IO.Compression;
using CondDiffusion.MLNet.Tests.Conformance;
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
    public void NormalizeImages_SmallImage_IsInterpolated()
    {
        byte[] black = [0, 0, 0, 255];
        byte[] white = [255, 255, 255, 255];
        byte[] row = [.. black, .. white];
        var image = MLImage.CreateFromPixels(2, 2, MLPixelFormat.Bgra32, [.. row, .. row]);
        Assert.IsGreaterThan(2, Normalize(image, width: 8, height: 8).Distinct().Count());
    }

    [TestMethod]
    [DataRow(1, 255)]
    [DataRow(3, 255)]
    [DataRow(1, 128)]
    [DataRow(3, 128)]
    public void NormalizeImages_ImageOfAnyOpacity_EqualsMLNetsTransforms(int channels, int opacity)
    {
        var expected = TestImages.NormalizeByMLNet(Ml, TestImages.View(Ml, Create()), 16, 12, channels);
        Assert.AreSequenceEqual(expected, Normalize(Create(), width: 12, height: 16, channels));

        MLImage Create()
        {
            byte[] pixels = [.. Enumerable.Range(0, 40 * 30 * 4)
                .Select(i => (byte)(i % 4 == 3 ? opacity : i * 7 % 128))];
            return MLImage.CreateFromPixels(40, 30, MLPixelFormat.Bgra32, pixels);
        }
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void NormalizeImages_Schema_IsChannelsHeightWidth(int channels)
    {
        var view = TestImages.View(Ml, TestImages.Plain(2, 2, 0, 0, 0));
        var schema = Ml.Transforms.NormalizeImages("Pixels", "Image", 6, 4, channels).Normalize(view).Schema;
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, channels, 4, 6), schema["Pixels"].Type);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void NormalizeImages_AnywhereInAChain_WorksInTrainingOnly(bool first)
    {
        var normalize = Ml.Transforms.NormalizeImages("Pixels", "Image", 1, 2);
        var copy = Ml.Transforms.CopyColumns("Copy", "Image");
        var next = new Next();
        var last = Ml.Transforms.CopyColumns("Last", "Copy");
        var view = TestImages.View(Ml, TestImages.Plain(2, 2, 255, 255, 255));

        var chain = first
            ? normalize.Append(copy).Append(next).Append(last)
            : copy.Append(normalize).Append(next).Append(last);
        var model = chain.Fit(view);

        Assert.AreSequenceEqual([1f, 1f], next.Pixels);
        foreach (var scope in new[] { TransformerScope.Training, TransformerScope.Testing, TransformerScope.Scoring })
        {
            var columns = model.GetOutputSchema(view.Schema, scope).Select(column => column.Name);
            Assert.AreSequenceEqual(["Image", "Copy", "Last"], columns);
        }

        var rows = TestImages.View(Ml, TestImages.Plain(3, 4, 1, 2, 3));
        var transformed = model.Transform(rows);
        Assert.AreSequenceEqual(["Image", "Copy", "Last"], transformed.Schema.Select(column => column.Name));
        Assert.AreEqual(4, transformed.GetColumn<MLImage>("Last").Single().Width);
    }

    [TestMethod]
    public void NormalizeImages_Saved_LoadsAndLeavesAnyRowsAsTheyAre()
    {
        var view = TestImages.View(Ml, TestImages.Plain(2, 2, 0, 0, 0));
        var fitted = Ml.Transforms.NormalizeImages("Pixels", "Image", 4, 4).Fit(view);
        using var file = new MemoryStream();
        Ml.Model.Save(fitted, null, file);
        file.Position = 0;
        var loaded = new MLContext().Model.Load(file, out _);

        var rows = Tiny.Rows(Ml, 3);
        foreach (var model in new[] { fitted, loaded })
        {
            Assert.AreSame(rows, model.Transform(rows));
            Assert.AreSame(rows.Schema, model.GetOutputSchema(rows.Schema));
            Assert.IsTrue(model.IsRowToRowMapper);
            var mapper = model.GetRowToRowMapper(rows.Schema);
            Assert.AreSame(rows.Schema, mapper.InputSchema);
            Assert.AreSame(rows.Schema, mapper.OutputSchema);
            Assert.AreSequenceEqual([rows.Schema[0]], mapper.GetDependencies([rows.Schema[0]]));

            using var cursor = rows.GetRowCursor(rows.Schema);
            Assert.AreSame(cursor, mapper.GetRow(cursor, rows.Schema));
            using var other = view.GetRowCursor(view.Schema);
            Throws.Saying<ArgumentException>(() => mapper.GetRow(other, []), "schema differs");
        }
    }

    [TestMethod]
    public void NormalizeImages_SavedByALaterVersion_IsRefused()
    {
        var view = TestImages.View(Ml, TestImages.Plain(2, 2, 0, 0, 0));
        using var file = new MemoryStream();
        Ml.Model.Save(Ml.Transforms.NormalizeImages("Pixels", "Image", 4, 4).Fit(view), null, file);
        using (var zip = new ZipArchive(file, ZipArchiveMode.Update, leaveOpen: true))
        {
            foreach (var entry in zip.Entries)
                RaiseVersion(entry);
        }

        file.Position = 0;
        var e = Assert.Throws<Exception>(() => new MLContext().Model.Load(file, out _)).GetBaseException();
        Assert.IsInstanceOfType<FormatException>(e);
        Assert.Contains("too new", e.Message);

        // After the signature, the header has the version that was written and the oldest one that can read it.
        static void RaiseVersion(ZipArchiveEntry entry)
        {
            using var stream = entry.Open();
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            var signature = bytes.AsSpan().IndexOf("CONDNORM"u8);
            if (signature < 0) return;

            bytes[signature + 8]++;
            bytes[signature + 12]++;
            stream.Position = 0;
            stream.Write(bytes);
        }
    }

    [TestMethod]
    public void NormalizeImages_OfAColumnWithoutImages_IsRefused()
    {
        var numbers = Ml.Data.LoadFromEnumerable([new { Image = 1f }]);
        var normalize = Ml.Transforms.NormalizeImages("Pixels", "Image", 4, 4);
        Throws.Saying<ArgumentOutOfRangeException>(() => normalize.Fit(numbers), "'Image'");
        Throws.Saying<ArgumentOutOfRangeException>(() => normalize.Fit(Tiny.Rows(Ml)), "'Image'");
        Throws.Saying<ArgumentOutOfRangeException>(() => normalize.Normalize(numbers), "'Image'");
    }

    [TestMethod]
    public void Normalize_MissingImage_GivesAVectorWithoutValues()
    {
        var view = Ml.Data.LoadFromEnumerable([new Tiny.Photo()]);
        var rows = Ml.Transforms.NormalizeImages("Pixels", "Image", 4, 3).Normalize(view);
        var vector = rows.GetColumn<VBuffer<float>>("Pixels").Single();
        Assert.AreEqual((12, 0), (vector.Length, vector.GetValues().Length));
    }

    [TestMethod]
    public void Normalize_RowsInRandomOrder_HaveTheOrderOfTheirSource()
    {
        using var directory = new TemporaryDirectory();
        IdxWriter.WriteSet(directory, rows: 10);
        var rows = Ml.Transforms.NormalizeImages("Pixels", "Image", IdxWriter.Width, IdxWriter.Height)
            .Normalize(Ml.Data.LoadMnist(directory.Path));
        int[] order = [.. Enumerable.Range(0, 10)];
        new Random(3).Shuffle(order);

        var pixels = rows.Schema["Pixels"].Index;
        var shuffled = ViewConformance.Read(rows, column => column.Index == pixels, new Random(3));

        Assert.IsTrue(rows.CanShuffle);
        Assert.AreSequenceEqual(order, shuffled.Select(row => (int)row.Id.Low));
        Assert.AreNotSequenceEqual(Enumerable.Range(0, 10), order);
    }

    [TestMethod]
    public void Normalize_Mnist_IsTheDigits()
    {
        var mnist = Ml.Data.TakeRows(Ml.Data.LoadMnist(TestData.Find("mnist")), 3);
        var images = Ml.Transforms.NormalizeImages("Pixels", "Image", 32, 32)
            .Normalize(mnist).GetColumn<float[]>("Pixels");
        Assert.HasCount(3, images.Where(pixels => pixels.Length == 1024 && pixels.Min() == -1 && pixels.Max() > 0.9f));
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

    private static float[] Normalize(MLImage image, int width, int height, int channels = 1) =>
        Ml.Transforms.NormalizeImages("Pixels", "Image", width, height, channels)
            .Normalize(TestImages.View(Ml, image))
            .GetColumn<float[]>("Pixels")
            .Single();

    /// <summary>An estimator that keeps the pixels it is fitted to.</summary>
    private sealed class Next : IEstimator<ITransformer>
    {
        public float[] Pixels { get; private set; } = [];

        public ITransformer Fit(IDataView input)
        {
            Pixels = input.GetColumn<float[]>("Pixels").Single();
            return new TransformerChain<ITransformer>();
        }

        public SchemaShape GetOutputSchema(SchemaShape inputSchema)
        {
            var pixels = inputSchema.Single(column => column.Name == "Pixels");
            Assert.AreEqual(SchemaShape.Column.VectorKind.Vector, pixels.Kind);
            Assert.AreEqual(NumberDataViewType.Single, pixels.ItemType);
            return inputSchema;
        }
    }
}
