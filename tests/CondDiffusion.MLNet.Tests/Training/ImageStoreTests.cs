using CondDiffusion.MLNet.Training;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class ImageStoreTests
{
    [TestMethod]
    public void Read_EightBitImages_GivesBackEveryLevelToTheBit()
    {
        var levels = Enumerable.Range(0, 256).Select(level => (level - 127.5f) * (1 / 127.5f)).ToArray();
        AssertRoundTrip([levels, [.. levels.Reverse()]]);
    }

    [TestMethod]
    public void Read_FloatsAfterEightBitImages_GivesBackBothToTheBit() => AssertRoundTrip([[-1f, 1f], [0.1f, -0.3f], [1f, 1f]]);

    [TestMethod]
    public void Read_MoreRowsThanAChunk_FindsEachRow()
    {
        var store = new ImageStore(1);
        for (var i = 0; i < 10_000; i++) store.Add([i / 10_000f], i);
        var value = new float[1];
        foreach (var i in new[] { 0, 4095, 4096, 9_999 })
        {
            Assert.AreEqual(i, store.Read(i, value));
            Assert.AreEqual(i / 10_000f, value[0]);
        }
    }

    [TestMethod]
    public void Add_OneLargeImage_AllocatesNoMoreThanAFewOfIt()
    {
        var image = new float[3 * 512 * 512];
        var before = GC.GetAllocatedBytesForCurrentThread();
        new ImageStore(image.Length).Add(image, 0);
        Assert.IsLessThan(30L * image.Length, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void AssertRoundTrip(float[][] images)
    {
        var store = new ImageStore(images[0].Length);
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
