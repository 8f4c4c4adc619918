using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class TrainingDataReaderTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void Fit_SparseImageOfZeros_IsAnImage()
    {
        SparseImage[] images = [new() { Pixels = new(64, 0, [], []) }, new() { Pixels = new(64, 1, [0.5f], [3]) }];
        using var model = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options)
            .Fit(Ml.Data.LoadFromEnumerable(images));
        Assert.HasCount(1, model.Generate(["1"]));
    }

    [TestMethod]
    public void Read_SparseImages_StoresEveryValue()
    {
        SparseImage[] images = [new() { Pixels = new(64, 0, [], []) }, new() { Pixels = new(64, 1, [0.5f], [3]) }];
        using var store = Read(Ml.Data.LoadFromEnumerable(images));
        var pixels = new float[64];
        store.Read(0, pixels);
        Assert.AreSequenceEqual(new float[64], pixels);
        store.Read(1, pixels);
        Assert.AreSequenceEqual(Enumerable.Range(0, 64).Select(i => i == 3 ? 0.5f : 0), pixels);
    }

    [TestMethod]
    public void Read_KeyBeyondThoseOfItsType_IsNamed()
    {
        var rows = Ml.Data.LoadFromEnumerable(Tiny.Images, Tiny.Schema<Tiny.Image>(9));
        Throws.Saying<InvalidOperationException>(
            () => Read(new FewerKeys(rows, count: 1)), "Training row 1: column 'Label' has the key 2", "has 1 keys");
    }

    [TestMethod]
    [DataRow("Label")]
    [DataRow("Pixels")]
    [DataRow("Weight")]
    [DataRow("IsGenerated")]
    public void Read_ColumnThatCannotBeRead_IsNamedWithTheRow(string column)
    {
        var rows = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 3).Select(i => new Failing
        {
            Fails = i == 2 ? column : "",
        }));
        using var store = new ImageStore(1);
        DataViewSchema.Column Find(string name) => rows.Schema[name];
        Throws.Saying<InvalidOperationException>(
            () => TrainingDataReader.Read(
                rows, Find("Label"), Find("Pixels"), store, () => { }, Find("Weight"), Find("IsGenerated")),
            $"Training data, row 2, column '{column}', cannot be read: Bad {column}");
    }

    [TestMethod]
    public void Fit_TokenCancelledBefore_ReadsNoRow()
    {
        var read = 0;
        var options = Tiny.Options with { CancellationToken = new(canceled: true) };
        Assert.ThrowsExactly<OperationCanceledException>(() => Tiny.Fit(Ml, options, Counted(_ => read++)));
        Assert.AreEqual(0, read);
    }

    [TestMethod]
    public void Fit_TokenCancelledWhileRowsAreRead_ReadsNoOther()
    {
        using var source = new CancellationTokenSource();
        var read = 0;
        var options = Tiny.Options with { CancellationToken = source.Token };
        Assert.ThrowsExactly<OperationCanceledException>(() => Tiny.Fit(Ml, options, Counted(row =>
        {
            read++;
            if (row == 3) source.Cancel();
        })));
        Assert.IsLessThanOrEqualTo(4, read);
    }

    /// <summary>Returns the images, and calls a function with the number of each, from 1, when it is read.</summary>
    private static IEnumerable<Tiny.Image> Counted(Action<int> read) => Tiny.Images.Select((image, i) =>
    {
        read(i + 1);
        return image;
    });

    private static ImageStore Read(IDataView rows)
    {
        var store = new ImageStore(64);
        TrainingDataReader.Read(rows, rows.Schema["Label"], rows.Schema["Pixels"], store, () => { });
        return store;
    }

    /// <summary>A row of which one value cannot be read.</summary>
    private sealed class Failing
    {
        [NoColumn]
        public string Fails { get; init; } = "";

        [KeyType(2)]
        public uint Label => Get(nameof(Label), 1u);

        [VectorType(1)]
        public float[] Pixels => Get<float[]>(nameof(Pixels), [0]);

        public float Weight => Get(nameof(Weight), 1f);

        public bool IsGenerated => Get(nameof(IsGenerated), false);

        private T Get<T>(string name, T value) => name == Fails ? throw new FormatException($"Bad {name}") : value;
    }

    private sealed class SparseImage
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(1, 8, 8)]
        public VBuffer<float> Pixels { get; set; }
    }
}
