using CondDiffusion.MLNet.Data;
using CondDiffusion.MLNet.Tests.Support;
using static CondDiffusion.MLNet.Tests.Support.IdxWriter;

namespace CondDiffusion.MLNet.Tests.Data;

[TestClass]
public sealed class IdxFileTests
{
    [TestMethod]
    public void Open_WrongMagic_NamesExpectedAndFound() =>
        AssertRefused(LabelBytes(20), "magic number 2051", "found 2049");

    [TestMethod]
    public void Open_NotAnIdxFile_NamesExpectedAndFound() =>
        AssertRefused("<html><body>404"u8.ToArray(), "expected 16 bytes, found 15");

    [TestMethod]
    [DataRow(0u, 28u)]
    [DataRow(28u, 0u)]
    [DataRow(4_097u, 1u)]
    [DataRow(1u, 4_097u)]
    [DataRow(65_536u, 65_536u)] // their product exceeds 32 bits
    [DataRow(4_294_967_295u, 4_294_967_295u)]
    public void Open_ImpossibleSize_NamesIt(uint height, uint width) =>
        AssertRefused(Bytes(2051, [1, height, width], []), $"{height} x {width} pixels");

    [TestMethod]
    public void Open_TooManyRows_NamesTheCount() =>
        AssertRefused(Bytes(2051, [4_294_967_295, 1, 1], []), "4294967295 rows");

    [TestMethod]
    public void Open_RawFileCutShort_NamesTheRow() =>
        AssertRefused(ImageBytes(4)[..^8], "row 2 of 4", "expected 40 bytes", "found 32");

    [TestMethod]
    [DataRow(2_147_483_647u, 4_096u, 4_096u)] // the size of all rows exceeds 32 bits
    public void Open_RawFileFarTooShort_DoesNotOverflow(uint rows, uint height, uint width) =>
        AssertRefused(Bytes(2051, [rows, height, width], [1, 2, 3]), "row 0 of", "found 19");

    [TestMethod]
    public void Open_GzipHeaderDamaged_IsAFormatException() =>
        AssertRefused(Gzip(ImageBytes(1))[..12], "header");

    [TestMethod]
    public void Open_ImagesOfTheLargestSide_AreRead()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File(Images);
        var levels = new byte[2 * 4096];
        new Random(1).NextBytes(levels);
        File.WriteAllBytes(path, Bytes(2051, [2, 4096, 1], levels));

        var rows = IdxFile.Open(path, 3).ReadAllRows();

        Assert.AreSequenceEqual(levels[..4096], rows(0).ToArray());
        Assert.AreSequenceEqual(levels[4096..], rows(1).ToArray());
    }

    [TestMethod]
    public void ReadAllRows_OfSeveralBlocks_GivesEachRow()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File(Images);
        var levels = new byte[5000 * 7 * 5]; // 65,536 bytes, a block, hold 1,872 rows and a part of another
        new Random(1).NextBytes(levels);
        File.WriteAllBytes(path, Gzip(Bytes(2051, [5000, 7, 5], levels)));

        var rows = IdxFile.Open(path, 3).ReadAllRows();

        for (var row = 0; row < 5000; row++)
            Assert.IsTrue(rows(row).Span.SequenceEqual(levels.AsSpan(35 * row, 35)), $"row {row}");
    }

    [TestMethod]
    public void ReadAllRows_OfAHeaderAlone_TakesNoMemoryForItsRows()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File(Images);
        File.WriteAllBytes(path, Gzip(Bytes(2051, [2_147_483_647, 28, 28], [])));

        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.ThrowsExactly<FormatException>(() => IdxFile.Open(path, 3).ReadAllRows());
        Assert.IsLessThan(200_000, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    public void ReadRow_GzipOfTooFewRows_NamesTheRow()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File(Images);
        File.WriteAllBytes(path, Gzip(ImageBytes(4)[..^8]));

        var file = IdxFile.Open(path, 3);

        var e = Assert.ThrowsExactly<FormatException>(() => file.ReadAllRows());
        foreach (var part in new[] { path, "row 2 of 4", "expected 6 bytes", "found 4" })
            Assert.Contains(part, e.Message);
    }

    [TestMethod]
    public void ReadRow_GzipCutShort_NamesTheRow()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File(Images);
        var noise = new byte[8 * 8 * 100];
        new Random(1).NextBytes(noise);
        var zipped = Gzip(Bytes(2051, [100, 8, 8], noise));
        File.WriteAllBytes(path, zipped[..(zipped.Length / 2)]);

        var file = IdxFile.Open(path, 3);

        var e = Assert.ThrowsExactly<FormatException>(() => file.ReadAllRows());
        Assert.Contains(path, e.Message);
        Assert.MatchesRegex("row (4[5-9]|5[0-5]) of 100", e.Message);
    }

    private static void AssertRefused(byte[] bytes, params string[] parts)
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File(Images);
        File.WriteAllBytes(path, bytes);

        var e = Assert.ThrowsExactly<FormatException>(() => IdxFile.Open(path, 3));

        foreach (var part in (string[])[path, .. parts])
            Assert.Contains(part, e.Message);
    }
}
