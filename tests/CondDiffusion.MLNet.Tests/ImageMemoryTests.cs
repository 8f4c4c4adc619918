using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Tests;

/// <summary>A training whose images are on disk: the same model, and no file left, whatever happens.</summary>
[TestClass]
public sealed class ImageMemoryTests : IDisposable
{
    private const int Count = 5000; // of 64 bytes: more than the buffer that is always in memory

    private static readonly ConditionalDiffusionTrainer.Options Options = TinyTraining.Options with { BatchSize = 1000, Epochs = 2 };

    private readonly TemporaryDirectory _directory = new();
    private readonly MLContext _ml;
    private bool _wasOnDisk;

    public ImageMemoryTests()
    {
        _ml = new(seed: 1) { TempFilePath = _directory.Path };
        _ml.Log += (_, log) => _wasOnDisk |= log.Message.Contains($"262144 bytes of the images are in '{_directory.Path}'", StringComparison.Ordinal);
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
        using var inMemory = TinyTraining.Fit(_ml, Options, Images());
        Assert.IsFalse(_wasOnDisk);
        using var onDisk = TinyTraining.Fit(_ml, Options with { ImageMemory = 0 }, Images());
        Assert.IsTrue(_wasOnDisk);
        var rows = TinyModel.Rows(_ml, 4);
        Assert.AreSequenceEqual(TinyModel.Pixels(inMemory, rows).SelectMany(image => image), TinyModel.Pixels(onDisk, rows).SelectMany(image => image));
    }

    [TestMethod]
    public void Fit_Cancelled_LeavesNoFile()
    {
        using var source = new CancellationTokenSource();
        var progress = new Reporter(source.Cancel);
        Fails<OperationCanceledException>(Options with { CancellationToken = source.Token, Progress = progress, ProgressInterval = TimeSpan.Zero });
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
        IEnumerable<TinyTraining.Image> Broken()
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
    public void Constructor_NegativeMemory_NamesIt() =>
        Assert.Contains("ImageMemory must be not negative, but is -1", Assert.ThrowsExactly<ArgumentException>(() =>
            _ml.ImageGeneration.Trainers.ConditionalDiffusion(Options with { ImageMemory = -1 })).Message);

    private T Fails<T>(ConditionalDiffusionTrainer.Options options, IEnumerable<TinyTraining.Image>? images = null) where T : Exception =>
        Assert.ThrowsExactly<T>(() => TinyTraining.Fit(_ml, options with { ImageMemory = 0 }, images ?? Images()));

    private static IEnumerable<TinyTraining.Image> Images() => Enumerable.Range(0, Count).Select(i => new TinyTraining.Image
    {
        Label = (uint)i % 2,
        Pixels = [.. Enumerable.Range(0, 64).Select(pixel => (i * (pixel + 1) % 256 - 127.5f) * (1 / 127.5f))],
    });

    private sealed class Reporter(Action report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report();
    }
}
