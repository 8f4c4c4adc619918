using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Tests;

/// <summary>A training whose images are on disk gives the same model, and leaves no file, whatever happens.</summary>
[TestClass]
public sealed class ImageMemoryTests : IDisposable
{
    /// <summary>Images of 64 bytes: more than fit the buffer that is always in memory.</summary>
    private const int Count = 5000;

    private static readonly ConditionalDiffusionTrainer.Options Options = Tiny.Options with
    {
        BatchSize = 1000,
        Epochs = 2,
    };

    private readonly TemporaryDirectory _directory = new();
    private readonly MLContext _ml;
    private bool _wasOnDisk;

    public ImageMemoryTests()
    {
        _ml = new(seed: 1) { TempFilePath = _directory.Path };
        var message = $"262144 bytes of the images are in '{_directory.Path}'";
        _ml.Log += (_, log) => _wasOnDisk |= log.Message.Contains(message, StringComparison.Ordinal);
    }

    [TestCleanup]
    public void NoFileIsLeft()
    {
        Assert.IsEmpty(Directory.GetFileSystemEntries(_directory.Path));
        if (OperatingSystem.IsLinux()) Assert.AreEqual(0, OpenFiles.In(_directory.Path));
    }

    public void Dispose() => _directory.Dispose();

    [TestMethod]
    public void Fit_ImagesOnDisk_GivesTheModelOfImagesInMemory()
    {
        using var inMemory = Tiny.Fit(_ml, Options, Images());
        Assert.IsFalse(_wasOnDisk);
        using var onDisk = Tiny.Fit(_ml, Options with { ImageMemory = 0 }, Images());
        Assert.IsTrue(_wasOnDisk);

        var rows = Tiny.Rows(_ml, 4);
        var expected = Tiny.Pixels(inMemory, rows).SelectMany(image => image);
        var actual = Tiny.Pixels(onDisk, rows).SelectMany(image => image);
        Assert.AreSequenceEqual(expected, actual);
    }

    [TestMethod]
    public void Fit_Cancelled_LeavesNoFile()
    {
        using var source = new CancellationTokenSource();
        Fails<OperationCanceledException>(Options with
        {
            CancellationToken = source.Token,
            Progress = new Reporter(_ => source.Cancel()),
            ProgressInterval = TimeSpan.Zero,
        });
        Assert.IsTrue(_wasOnDisk);
    }

    [TestMethod]
    public void Fit_TrainingFails_LeavesNoFile()
    {
        Fails<InvalidOperationException>(Options with { LearningRate = 1e30, Epochs = 20 });
        Assert.IsTrue(_wasOnDisk);
    }

    [TestMethod]
    public void Fit_ReadingFailsHalfWay_LeavesNoFile()
    {
        var wasOpen = 0;
        IEnumerable<Tiny.Image> Broken()
        {
            foreach (var image in Images()) yield return image;
            if (OperatingSystem.IsLinux()) wasOpen = OpenFiles.In(_directory.Path);
            throw new NotSupportedException("a broken source");
        }

        Assert.Contains("a broken source", Fails<InvalidOperationException>(Options, Broken()).Message);
        if (OperatingSystem.IsLinux()) Assert.AreEqual(1, wasOpen);
    }

    [TestMethod]
    public void Fit_NoTemporaryDirectory_NamesIt()
    {
        _ml.TempFilePath = _directory.File("none");
        var message = Fails<IOException>(Options).Message;
        Assert.Contains($"'{_directory.File("none")}'", message);
        Assert.Contains("262144 bytes or more", message);
    }

    [TestMethod]
    public void Constructor_NegativeMemory_NamesIt()
    {
        var exception = Assert.ThrowsExactly<ArgumentException>(() =>
            _ml.ImageGeneration.Trainers.ConditionalDiffusion(Options with { ImageMemory = -1 }));
        Assert.Contains("ImageMemory must be not negative, but is -1", exception.Message);
    }

    private T Fails<T>(ConditionalDiffusionTrainer.Options options, IEnumerable<Tiny.Image>? images = null)
        where T : Exception =>
        Assert.ThrowsExactly<T>(() => Tiny.Fit(_ml, options with { ImageMemory = 0 }, images ?? Images()));

    private static IEnumerable<Tiny.Image> Images() =>
        Enumerable.Range(0, Count).Select(i => new Tiny.Image
        {
            Label = (uint)i % 2,
            Pixels = [.. Enumerable.Range(0, 64).Select(pixel => (i * (pixel + 1) % 256 - 127.5f) * (1 / 127.5f))],
        });
}
