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
