using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using static CondDiffusion.MLNet.Tests.Support.IdxWriter;

namespace CondDiffusion.MLNet.Tests.Data;

[TestClass]
public sealed class MnistRowsTests : IDisposable
{
    private const int Rows = 20;

    private readonly TemporaryDirectory _directory = new();
    private readonly IDataView _view;

    public MnistRowsTests()
    {
        WriteSet(_directory, Rows);
        _view = new MLContext(seed: 1).Data.LoadMnist(_directory.Path);
    }

    public void Dispose() => _directory.Dispose();

    [TestMethod]
    public void Cursor_FromStartToEnd_KeepsTheRules()
    {
        using var cursor = _view.GetRowCursor(_view.Schema);
        var label = cursor.GetGetter<uint>(_view.Schema["Label"]);
        var id = cursor.GetIdGetter();
        var value = 0u;
        var rowId = default(DataViewRowId);

        Assert.AreSame(_view.Schema, cursor.Schema);
        Assert.AreEqual(-1, cursor.Position);
        Assert.ThrowsExactly<InvalidOperationException>(() => label(ref value));
        for (var row = 0; row < Rows; row++)
        {
            Assert.IsTrue(cursor.MoveNext());
            Assert.AreEqual(row, cursor.Position);
            id(ref rowId);
            Assert.AreEqual(new DataViewRowId((ulong)row, 0), rowId);
        }

        Assert.IsFalse(cursor.MoveNext());
        Assert.IsFalse(cursor.MoveNext());
        Assert.AreEqual(-1, cursor.Position);
        Assert.ThrowsExactly<InvalidOperationException>(() => label(ref value));
        Assert.ThrowsExactly<InvalidOperationException>(() => id(ref rowId));
    }

    [TestMethod]
    public void Cursor_Shuffled_ReadsEachRowOnceWithItsId()
    {
        Assert.IsTrue(_view.CanShuffle);
        using var cursor = _view.GetRowCursor(_view.Schema, new Random(3));
        var image = cursor.GetGetter<MLImage>(_view.Schema["Image"]);
        var label = cursor.GetGetter<uint>(_view.Schema["Label"]);
        var id = cursor.GetIdGetter();

        var rows = new List<int>();
        while (cursor.MoveNext())
        {
            MLImage pixels = null!;
            var digit = 0u;
            var rowId = default(DataViewRowId);
            image(ref pixels);
            label(ref digit);
            id(ref rowId);
            Assert.AreEqual(rows.Count, cursor.Position);
            rows.Add((int)rowId.Low);
            Assert.AreEqual(Level(rows[^1], 5), pixels.Pixels[4 * 5]);
            Assert.AreEqual(Label(rows[^1]), digit);
        }

        CollectionAssert.AreNotEqual(Enumerable.Range(0, Rows).ToArray(), rows);
        CollectionAssert.AreEquivalent(Enumerable.Range(0, Rows).ToArray(), rows);
    }

    [TestMethod]
    public void Cursor_Shuffled_HasTheOrderOfItsRandom()
    {
        foreach (var seed in new[] { 3, 4 })
        {
            var expected = Enumerable.Range(0, Rows).ToArray();
            new Random(seed).Shuffle(expected);
            Assert.AreSequenceEqual(expected, ReadIds(["Image", "Label"], new Random(seed)));
            Assert.AreSequenceEqual(expected, ReadIds(["Label"], new Random(seed)));
            Assert.AreSequenceEqual(expected, ReadIds([], new Random(seed)));
        }

        Assert.AreNotSequenceEqual(ReadIds(["Label"], new Random(3)), ReadIds(["Label"], new Random(4)));
    }

    [TestMethod]
    [DataRow("Image")]
    [DataRow("Label")]
    [DataRow(null)]
    public void Cursor_ShuffledOfHeadersAlone_TakesNoMemoryForTheirRows(string? column)
    {
        File.WriteAllBytes(_directory.File(Images), Gzip(Bytes(2051, [2_147_483_647, 28, 28], [])));
        File.WriteAllBytes(_directory.File(Labels), Gzip(Bytes(2049, [2_147_483_647], [])));
        var view = new MLContext(seed: 1).Data.LoadMnist(_directory.Path);
        DataViewSchema.Column[] columns = column is null ? [] : [view.Schema[column]];

        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.ThrowsExactly<FormatException>(() => view.GetRowCursor(columns, new Random(1)));
        Assert.IsLessThan(200_000, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    public void Cursor_SecondFileDoesNotOpen_ClosesTheFirst()
    {
        File.Delete(_directory.File(Labels));
        Assert.ThrowsExactly<FileNotFoundException>(() => _view.GetRowCursor(_view.Schema));
        AssertClosed(Images);

        var damaged = Gzip(LabelBytes(Rows));
        damaged[10] = 0xFF; // the first block would have a type that does not exist
        File.WriteAllBytes(_directory.File(Labels), damaged);
        Assert.ThrowsExactly<FormatException>(() => _view.GetRowCursor(_view.Schema));
        AssertClosed(Images);
        AssertClosed(Labels);
    }

    [TestMethod]
    public void GetGetter_OfAnotherType_NamesBoth()
    {
        using var cursor = _view.GetRowCursor(_view.Schema);

        var e = Assert.ThrowsExactly<InvalidOperationException>(() => cursor.GetGetter<float>(_view.Schema["Label"]));

        Assert.Contains("System.UInt32", e.Message);
        Assert.Contains("System.Single", e.Message);
    }

    [TestMethod]
    public void GetGetter_OfInactiveColumn_Throws()
    {
        using var cursor = _view.GetRowCursor([_view.Schema["Label"]]);
        Assert.IsTrue(cursor.IsColumnActive(_view.Schema["Label"]));
        Assert.IsFalse(cursor.IsColumnActive(_view.Schema["Image"]));

        var e = Assert.ThrowsExactly<InvalidOperationException>(
            () => cursor.GetGetter<MLImage>(_view.Schema["Image"]));
        Assert.Contains("Image", e.Message);
    }

    [TestMethod]
    [DataRow("Label", Images)]
    [DataRow("Image", Labels)]
    public void Cursor_OfOneColumn_LeavesTheOtherFileClosed(string column, string otherFile)
    {
        File.Delete(_directory.File(otherFile));
        foreach (var random in new[] { null, new Random(1) })
        {
            using var cursor = _view.GetRowCursor([_view.Schema[column]], random);
            var rows = 0;
            while (cursor.MoveNext())
                rows++;
            Assert.AreEqual(Rows, rows);
        }
    }

    [TestMethod]
    public void Cursor_Disposed_IsOffTheRows()
    {
        var cursor = _view.GetRowCursor(_view.Schema);
        var label = cursor.GetGetter<uint>(_view.Schema["Label"]);
        var value = 0u;
        Assert.IsTrue(cursor.MoveNext());

        cursor.Dispose();

        Assert.IsFalse(cursor.MoveNext());
        Assert.ThrowsExactly<InvalidOperationException>(() => label(ref value));

        AssertClosed(Images);
        AssertClosed(Labels);
    }

    [TestMethod]
    public void Cursor_AtADamagedRow_Ends()
    {
        File.WriteAllBytes(_directory.File(Labels), Gzip(LabelBytes(Rows)[..^5]));
        using var cursor = _view.GetRowCursor([_view.Schema["Label"]]);
        var label = cursor.GetGetter<uint>(_view.Schema["Label"]);
        var value = 0u;
        for (var row = 0; row < Rows - 5; row++) Assert.IsTrue(cursor.MoveNext());

        Assert.ThrowsExactly<FormatException>(() => cursor.MoveNext());

        Assert.AreEqual(-1, cursor.Position);
        Assert.ThrowsExactly<InvalidOperationException>(() => label(ref value));
        Assert.IsFalse(cursor.MoveNext());
    }

    [TestMethod]
    public void ImageGetter_CalledAgain_DoesNotDisposeTheFirstImage()
    {
        using var cursor = _view.GetRowCursor(_view.Schema);
        var getter = cursor.GetGetter<MLImage>(_view.Schema["Image"]);
        Assert.IsTrue(cursor.MoveNext());
        var image = default(MLImage)!;
        getter(ref image);
        var first = image;
        getter(ref image);

        Assert.AreNotSame(first, image);

        // Reading the pixels of a disposed image would throw.
        CollectionAssert.AreEqual(first.Pixels.ToArray(), image.Pixels.ToArray());
    }

    [TestMethod]
    public void GetRowCursorSet_OfSeveral_ReturnsOne() => Assert.HasCount(1, _view.GetRowCursorSet(_view.Schema, 4));

    private int[] ReadIds(string[] columns, Random random)
    {
        using var cursor = _view.GetRowCursor(columns.Select(column => _view.Schema[column]), random);
        var getter = cursor.GetIdGetter();
        var id = default(DataViewRowId);
        var ids = new List<int>();
        while (cursor.MoveNext())
        {
            getter(ref id);
            ids.Add((int)id.Low);
        }

        return [.. ids];
    }

    /// <summary>Asserts that a file is closed: it can be opened exclusively.</summary>
    private void AssertClosed(string name) =>
        new FileStream(_directory.File(name), FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
}
