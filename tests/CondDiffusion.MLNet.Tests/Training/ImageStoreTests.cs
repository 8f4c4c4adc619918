using System.Diagnostics;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class ImageStoreTests
{
    private const int Pixels = 1000;

    [TestMethod]
    public void Read_EightBitImages_GivesBackEveryLevelToTheBit()
    {
        var levels = Enumerable.Range(0, 256).Select(Level).ToArray();
        AssertRoundTrip([levels, [.. levels.Reverse()]]);
    }

    [TestMethod]
    public void Read_FloatsAfterEightBitImages_GivesBackBothToTheBit() =>
        AssertRoundTrip([[-1f, 1f], [0.1f, -0.3f], [1f, 1f]]);

    [TestMethod]
    public void Add_OneLargeImage_AllocatesNoMoreThanAFewOfIt()
    {
        var image = new float[3 * 512 * 512];
        var before = GC.GetAllocatedBytesForCurrentThread();
        using var store = new ImageStore(image.Length);
        store.Add(image, 0);
        Assert.IsLessThan(30L * image.Length, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    [DataRow(1500, 1500, long.MaxValue, 0L, DisplayName = "8 bits, in memory")]
    [DataRow(1500, 1500, 0L, 1_310_720L, DisplayName = "8 bits, on disk")]
    [DataRow(1500, 1500, 600_000L, 786_432L, DisplayName = "8 bits, in both")]
    [DataRow(1500, 0, 0L, 5_767_168L, DisplayName = "floats, on disk")]
    [DataRow(1500, 0, 600_000L, 5_242_880L, DisplayName = "floats, in both")]
    [DataRow(1500, 300, 2_000_000L, 3_145_728L, DisplayName = "floats before the memory is full")]
    [DataRow(1500, 1200, 600_000L, 1_835_008L, DisplayName = "floats after the memory is full")]
    public void Read_ByManyThreadsInAnyOrder_GivesBackEveryImageToTheBit(
        int count, int eightBit, long memory, long onDisk)
    {
        using var directory = new TemporaryDirectory();
        using var store = Fill(count, eightBit, memory, directory.Path);
        Assert.AreEqual(count, store.Count);
        Assert.AreEqual(onDisk, store.OnDisk);

        Parallel.For(0, 4, thread =>
        {
            var order = Enumerable.Range(0, count).ToArray();
            new Random(thread).Shuffle(order);
            var image = new float[Pixels];
            foreach (var i in order)
            {
                Assert.AreEqual(i % 7, store.Read(i, image));
                Assert.AreSequenceEqual(Image(i, i < eightBit), image);
            }
        });
    }

    [TestMethod]
    public void Add_MoreThanTheMemory_KeepsThatMuchInIt()
    {
        using var directory = new TemporaryDirectory();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var store = Fill(20_000, 20_000, 1 << 20, directory.Path);

        // Besides the bound it takes a chunk, and at most 8 bytes a label.
        var bound = (1 << 20) + ByteStore.ChunkSize + 8 * 20_000 + 100_000;
        Assert.IsLessThan(bound, GC.GetTotalMemory(forceFullCollection: true) - before);
    }

    [TestMethod]
    public void Directory_WhileTheStoreLivesAndAfterwards_HasNoFileThatAKilledProcessWouldLeave()
    {
        using var directory = new TemporaryDirectory();
        using (var store = Fill(1500, 1000, 0, directory.Path))
        {
            Assert.IsGreaterThan(0, store.OnDisk);
            if (!OperatingSystem.IsWindows()) Assert.IsEmpty(Directory.GetFileSystemEntries(directory.Path));
            if (OperatingSystem.IsLinux()) Assert.AreEqual(1, OpenFiles.In(directory.Path));
        }

        Assert.IsEmpty(Directory.GetFileSystemEntries(directory.Path));
        if (OperatingSystem.IsLinux()) Assert.AreEqual(0, OpenFiles.In(directory.Path));
    }

    [TestMethod]
    public void Add_NoSuchDirectory_NamesItAndTheSizeAndTheOption()
    {
        using var directory = new TemporaryDirectory();
        foreach (var path in new[] { directory.File("none"), CreateFile(directory.File("file")) })
        {
            var exception = Assert.ThrowsExactly<IOException>(() => Fill(1500, 1500, 300_000, path));
            Assert.Contains($"'{path}'", exception.Message);
            Assert.Contains("more than 300000 bytes (ImageMemory)", exception.Message);
            Assert.Contains("262144 bytes or more", exception.Message);
            Assert.Contains("TempFilePath", exception.Message);
        }
    }

    [TestMethod]
    public void BatchReader_ReadingFails_ThrowsThatAndLeavesNoTensor()
    {
        TorchRuntime.EnsureLoaded();
        using var directory = new TemporaryDirectory();
        using var store = new ImageStore(64, 0, directory.Path);
        for (var i = 0; i < 9000; i++) store.Add(Image(i, true).AsSpan(0, 64), 0);
        store.Dispose();

        var before = TensorAssert.Count();
        Assert.ThrowsExactly<ObjectDisposedException>(() =>
        {
            using var reader = new BatchReader(store, [1, 8, 8], 4);
            foreach (var batch in reader.Read(new int[] { 8999, 8999, 8999, 8999, 0, 0 }))
                Assert.AreEqual(4, batch.Count);
        });
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    [TestMethod]
    public async Task Read_FileCutShort_SaysSo()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("The file has no name elsewhere, or is locked.");
        using var directory = new TemporaryDirectory();
        using var store = Fill(1500, 1500, 0, directory.Path);
        var file = new DirectoryInfo($"/proc/{Environment.ProcessId}/fd").GetFiles()
            .Single(file => file.LinkTarget?.StartsWith(directory.Path, StringComparison.Ordinal) == true);
        using var truncate = Process.Start("truncate", ["-s", "1000000", file.FullName]);
        await truncate.WaitForExitAsync();
        Assert.AreEqual(0, truncate.ExitCode);

        var image = new float[Pixels];
        Assert.AreEqual(0, store.Read(0, image));
        var exception = Assert.ThrowsExactly<EndOfStreamException>(() => store.Read(1200, image));
        Assert.Contains($"'{directory.Path}'", exception.Message);
    }

    [TestMethod]
    public void Fingerprint_StoreWithout_SaysSo()
    {
        using var store = new ImageStore(2, hashes: false);
        store.Add([-1, 1], 0);
        Throws.Saying<InvalidOperationException>(() => store.Fingerprint, "computes no hash");
    }

    [TestMethod]
    public void Fingerprint_SameImages_IsTheSameInMemoryAndOnDisk()
    {
        using var directory = new TemporaryDirectory();
        foreach (var eightBit in new[] { 0, 1000, 1500 })
        {
            using var inMemory = Fill(1500, eightBit, long.MaxValue, directory.Path);
            using var onDisk = Fill(1500, eightBit, 0, directory.Path);
            Assert.AreEqual(inMemory.Fingerprint, onDisk.Fingerprint);
            Assert.AreEqual(64, onDisk.Fingerprint.Length);
        }
    }

    [TestMethod]
    public void Fingerprint_AnyPixelLabelOrOrderChanged_IsAnother()
    {
        (float[] Image, int Label)[] rows = [([-1f, 1f], 0), ([1f, -1f], 1), ([0.1f, 1f], 0)];
        (float[] Image, int Label)[][] variants =
        [
            rows,
            [([-1f, Level(254)], 0), rows[1], rows[2]],
            [rows[0], rows[1], ([0.1f, MathF.BitDecrement(1f)], 0)],
            [([-1f, 1f], 1), rows[1], rows[2]],
            [rows[1], rows[0], rows[2]],
            [rows[2], rows[0], rows[1]],
            rows[..2],
            [.. rows, rows[0]],
            [],
        ];

        var prints = variants.Select(variant =>
        {
            using var store = new ImageStore(2);
            foreach (var (image, label) in variant) store.Add(image, label);
            return store.Fingerprint;
        });

        Assert.HasCount(variants.Length, prints.Distinct());
    }

    [TestMethod]
    public void Fingerprint_AnotherWeight_IsAnother()
    {
        var prints = new[] { (1f, 1f), (1, 2.5f), (1, 4), (2.5f, 1) }.Select(weights =>
        {
            using var store = new ImageStore(2);
            store.Add([-1, 1], 0, weights.Item1);
            store.Add([-1, 1], 0, weights.Item2);
            return store.Fingerprint;
        });
        Assert.HasCount(4, prints.Distinct());
    }

    [TestMethod]
    public void Fingerprint_OneImageGenerated_IsAnother()
    {
        var prints = new[] { (false, false), (true, false), (false, true), (true, true) }.Select(images =>
        {
            using var store = new ImageStore(2);
            store.Add([-1, 1], 0, isGenerated: images.Item1);
            store.Add([-1, 1], 0, isGenerated: images.Item2);
            return store.Fingerprint;
        });
        Assert.HasCount(4, prints.Distinct());
    }

    private static ImageStore Fill(int count, int eightBit, long memory, string directory)
    {
        var store = new ImageStore(Pixels, memory, directory);
        for (var i = 0; i < count; i++) store.Add(Image(i, i < eightBit), i % 7);
        return store;
    }

    /// <summary>Returns an image for each number, of 8-bit values or of others.</summary>
    private static float[] Image(int number, bool eightBit) =>
        [.. Enumerable.Range(number, Pixels).Select(i => eightBit ? Level(i * 31 % 256) : MathF.Sin(i))];

    private static float Level(int level) => (level - 127.5f) * (1 / 127.5f);

    private static string CreateFile(string path)
    {
        File.WriteAllText(path, "not a directory");
        return path;
    }

    private static void AssertRoundTrip(float[][] images)
    {
        using var store = new ImageStore(images[0].Length);
        for (var i = 0; i < images.Length; i++) store.Add(images[i], i + 5);
        Assert.AreEqual(images.Length, store.Count);
        for (var i = 0; i < images.Length; i++)
        {
            var image = new float[images[i].Length];
            Assert.AreEqual(i + 5, store.Read(i, image));
            Assert.AreSequenceEqual(images[i], image);
        }
    }
}
