using CondDiffusion.MLNet.Benchmarks.Augmentation;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class GeneratedImageFileTests
{
    private const int Pixels = 28 * 28;

    /// <summary>The file has one image and the beginning of another. The row of the first cannot be read.</summary>
    [TestMethod]
    public void Complete_StoppedFile_AddsTheOthersOnly()
    {
        using var directory = new TemporaryDirectory();
        var file = directory.File("x.images");
        File.WriteAllBytes(file, [5, .. Enumerable.Repeat((byte)77, Pixels), 6, 1, 2, 3]);
        Assert.HasCount(1, GeneratedImageFile.Read(file));

        GeneratedImageFile.Complete(file, View(
            new(), new() { IsGenerated = true }, new(), new() { IsGenerated = true, Label = 3, Level = 255 }));
        var images = GeneratedImageFile.Read(file);
        Assert.AreSequenceEqual([5, 3], images.Select(image => image.Label));
        Assert.AreSequenceEqual(Enumerable.Repeat((byte)77, Pixels), images[0].Levels);
        Assert.AreSequenceEqual(Enumerable.Repeat((byte)255, Pixels), images[1].Levels);
    }

    [TestMethod]
    public void Complete_CompleteFile_StaysAsItIs()
    {
        using var directory = new TemporaryDirectory();
        var file = directory.File("x.images");
        Assert.IsEmpty(GeneratedImageFile.Read(file));
        GeneratedImageFile.Complete(file, View(new Row { IsGenerated = true, Level = 128 }));
        GeneratedImageFile.Complete(file, View(new Row { IsGenerated = true }));
        Assert.AreEqual(128, GeneratedImageFile.Read(file).Single().Levels[0]);
    }

    /// <summary>
    /// Images of another guidance, of another number, or that another classifier has accepted, are other images. That
    /// of the filter depends on the steps.
    /// </summary>
    [TestMethod]
    public void Generate_FilesOfSeveralProtocols_ReadsTheOneOfItsOwn()
    {
        using var directory = new DocsDirectory();
        Directory.CreateDirectory("benchmarks/cache");
        Write("unfiltered", level: 1);
        Write("2000", level: 2);
        Write("4000", level: 3);
        Write("guidance-1.5-unfiltered", level: 4);
        Write("3-unfiltered", level: 5, count: 19);

        var protocol = StudyProtocol.Create("mnist", "2,1,1,1,1,1,1,1,1,1") with { GeneratorEpochs = 3 };
        Assert.AreEqual(1, Read(protocol));
        Assert.AreEqual(2, Read(protocol, Train));
        Assert.AreEqual(3, Read(protocol with { Steps = 4000 }, Train));
        Assert.AreEqual(4, Read(protocol with { Guidance = 1.5 }));
        Assert.AreEqual(5, Read(protocol with { PerLabel = 3 }));

        static void Write(string end, byte level, int count = 9) => File.WriteAllBytes(
            $"benchmarks/cache/augmentation-mnist-2-1-1-1-1-1-1-1-1-1-balanced-3-7-{end}.images",
            [.. Enumerable.Repeat(level, count * (1 + Pixels))]);

        static int Read(StudyProtocol protocol, Func<ITransformer>? trainFilter = null) =>
            new StudyGenerator(new(), protocol, seed: 7).Generate([], trainFilter).Images[0].Levels[0];

        static ITransformer Train() => throw new InvalidOperationException("All images are there.");
    }

    private static IDataView View(params Row[] rows)
    {
        var schema = SchemaDefinition.Create(typeof(Row));
        schema["Label"].ColumnType = new KeyDataViewType(typeof(uint), 10);
        schema["Pixels"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, Pixels);
        return new MLContext().Data.LoadFromEnumerable(rows, schema);
    }

    private sealed class Row
    {
        public uint Label { get; set; }

        public bool IsGenerated { get; set; }

        [NoColumn]
        public byte? Level { get; set; }

        /// <summary>Throws for a row without a level.</summary>
        public float[] Pixels
        {
            get => [.. Enumerable.Repeat((Level!.Value - 127.5f) / 127.5f, GeneratedImageFileTests.Pixels)];
            set => throw new NotSupportedException();
        }
    }
}
