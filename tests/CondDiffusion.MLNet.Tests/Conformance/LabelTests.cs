using System.Text.Json;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Conformance;

[TestClass]
public sealed class LabelTests
{
    private const string Annotation = "TrainingLabelValues";

    private static readonly MLContext Ml = new(seed: 7);
    private static readonly ConditionalDiffusionTransformer Transformer = Tiny.Fit(Ml, Tiny.Options);

    [ClassCleanup]
    public static void Free() => Transformer.Dispose();

    [TestMethod]
    [DataRow(DataKind.Byte)]
    [DataRow(DataKind.UInt16)]
    [DataRow(DataKind.UInt32)]
    [DataRow(DataKind.UInt64)]
    public void Keys_OfAnyType_TrainAndGenerateAlike(DataKind kind)
    {
        // A text file is the one source of ML.NET's with keys of all four types.
        using var directory = new TemporaryDirectory();
        var file = directory.File("rows.txt");
        var keyed = Tiny.Keyed(Ml);
        File.WriteAllLines(file, keyed.GetColumn<uint>("Label").Zip(keyed.GetColumn<float[]>("Pixels"), (key, pixels) => $"{key - 1}\t{string.Join('\t', pixels)}"));
        var data = Ml.Data.LoadFromTextFile(
            file, [new("Label", kind, [new(0)], new KeyCount(3)), new("Pixels", DataKind.Single, [new(1, 64)])]);
        using var other = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options).Fit(data);
        var expected = Tiny.Pictures(Transformer.Transform(keyed));
        Tiny.AreClose(expected, Tiny.Pictures(Transformer.Transform(data)));
        Tiny.AreClose(expected, Tiny.Pictures(other.Transform(data)));
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    [DataRow(100_000)]
    public void Keys_OfAnyNumberAndWithGaps_TrainAndGenerate(int keys)
    {
        // The first and the last key have images; those between have none.
        var type = new KeyDataViewType(typeof(uint), keys);
        var rows = Enumerable.Range(0, 4).Select(i => new KeyPixels { Label = i % 2 == 0 ? 0 : (uint)keys - 1 }).ToArray();
        using var transformer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options).Fit(View(rows, type));

        var unseen = new[] { 0u, (uint)keys / 2, (uint)keys - 1 }.Select(key => new KeyPixels { Label = key });
        Assert.HasCount(3, Tiny.Pictures(transformer.Transform(View(unseen, type))));
        Assert.IsNull(transformer.LabelValues);
        Assert.IsEmpty(transformer.GetOutputSchema(View(rows, type).Schema)["GeneratedImage"].Annotations.Schema);
    }

    [TestMethod]
    public void Keys_OfMoreValuesThanAnyModelHas_AreRefused()
    {
        var data = View([new()], new KeyDataViewType(typeof(uint), uint.MaxValue));
        var e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options).Fit(data));
        Assert.Contains("label column 'Label': expected a key of at most 16777216 values, got one of 4294967295", e.Message);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Transformer.Transform(data));
    }

    [TestMethod]
    public void KeyValues_OfOtherLabelsThanTheTrained_AreRefusedWithBothShown()
    {
        var other = Tiny.Keyed(Ml, Tiny.Vectors(Ml), "Flag");
        var e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Transformer.Transform(other));
        Assert.Contains("label column 'Label': expected the trained keys, 3 labels (cat, dog, eel), got 2 labels (True, False)", e.Message);

        var reordered = Ml.Transforms.Conversion.MapValueToKey("Label", "Name", keyOrdinality: ValueToKeyMappingEstimator.KeyOrdinality.ByValue)
            .Fit(Ml.Data.LoadFromEnumerable(new[] { "eel", "dog", "ant" }.Select(name => new NameRow { Name = name })));
        e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Transformer.Transform(reordered.Transform(Tiny.Vectors(Ml))));
        Assert.Contains("3 labels (cat, dog, eel), got 3 labels (ant, dog, eel)", e.Message);
    }

    [TestMethod]
    public void KeyValues_OfText_AreAnnotationsOfBothColumns() => AreAnnotations("Name", new[] { "cat", "dog", "eel" });

    [TestMethod]
    public void KeyValues_OfNumbers_AreAnnotationsOfBothColumns() => AreAnnotations("Number", new[] { 0.1f, 1.1f, 2.1f });

    [TestMethod]
    public void KeyValues_OfBooleans_AreAnnotationsOfBothColumns() => AreAnnotations("Flag", new[] { true, false });

    [TestMethod]
    public void Vocabulary_OfEveryKind_SurvivesTheModelFile()
    {
        Survives([.. new[] { "", " a,\"b\" ", "\u00e9\u4e2d" }.Select(text => text.AsMemory())], TextDataViewType.Instance);
        Survives([true, false], BooleanDataViewType.Instance);
        Survives([sbyte.MinValue, sbyte.MaxValue], NumberDataViewType.SByte);
        Survives([byte.MinValue, byte.MaxValue], NumberDataViewType.Byte);
        Survives([short.MinValue, short.MaxValue], NumberDataViewType.Int16);
        Survives([ushort.MinValue, ushort.MaxValue], NumberDataViewType.UInt16);
        Survives([int.MinValue, int.MaxValue], NumberDataViewType.Int32);
        Survives([uint.MinValue, uint.MaxValue], NumberDataViewType.UInt32);
        Survives([long.MinValue, long.MaxValue], NumberDataViewType.Int64);
        Survives([ulong.MinValue, ulong.MaxValue], NumberDataViewType.UInt64);
        Survives([float.MinValue, float.Epsilon, 0.1f, float.PositiveInfinity], NumberDataViewType.Single);
        Survives([double.MinValue, double.Epsilon, 0.1, -0.0], NumberDataViewType.Double);
    }

    [TestMethod]
    public void Vocabulary_OfOtherKinds_IsKeysWithoutValues()
    {
        var vocabulary = Of([TimeSpan.Zero, TimeSpan.MaxValue], TimeSpanDataViewType.Instance);
        Assert.AreEqual(2, vocabulary.Count);
        Assert.IsNull(vocabulary.Values);
        Assert.IsNull(vocabulary.ToAnnotations());
    }

    [TestMethod]
    [DataRow("""{"Count":2,"Values":["1"],"Kind":"String"}""", "Values must be 2 texts, one for each label, but is 1.")]
    [DataRow("""{"Count":1,"Values":["x"],"Kind":"Int32"}""", "Values must be texts of the kind Int32, but is not: ")]
    [DataRow("""{"Count":1,"Values":["300"],"Kind":"Byte"}""", "Values must be texts of the kind Byte, but is not: ")]
    [DataRow("""{"Count":1,"Values":[null],"Kind":"String"}""", "Values must be a text for each label, but is null for one of them.")]
    [DataRow("""{"Count":1,"Values":["x"],"Kind":"DateTime"}""", "Kind must be the kind of a text, a boolean or a number, but is DateTime.")]
    public void Vocabulary_DamagedInTheModelFile_SaysHow(string json, string expected)
    {
        var errors = new OptionErrors();
        JsonSerializer.Deserialize(json, ModelJson.Default.LabelVocabulary)!.Check(errors);
        Assert.StartsWith(expected, errors.Text ?? "");
    }

    [TestMethod]
    public void Label_MissingAfterLabelDropout_DrawsWithoutOne()
    {
        using var transformer = Tiny.Fit(new(seed: 7), Tiny.Options with { LabelDropout = 0.2, SeedColumnName = "Seed", Epochs = 8, LearningRate = 0.01 });
        var rows = new[] { "cat", "unseen" }.Select(name => new NameRow { Name = name, Seed = 5 });
        var keyed = Ml.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(Tiny.Vectors(Ml)).Transform(Ml.Data.LoadFromEnumerable(rows));

        var pictures = Tiny.Pictures(transformer.Transform(keyed));

        Assert.IsFalse(pictures[0].SequenceEqual(pictures[1]), "the label makes a difference");
        Tiny.AreClose(pictures, [.. transformer.Generate(["cat", null], [5, 5]).Select(image => image.Pixels.ToArray())]);
    }

    [TestMethod]
    public void Generate_NullLabelWithoutLabelDropout_SaysSo()
    {
        using var transformer = Tiny.Fit(new(seed: 7), Tiny.Options);
        Assert.Contains("LabelDropout", Assert.ThrowsExactly<ArgumentException>(() => transformer.Generate(["cat", null])).Message);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    [DataRow(16)]
    public void Label_NeverSeenInTraining_FailsItsRowAlone(int batchSize)
    {
        var drawn = new List<int>();
        using var transformer = Tiny.Fit(new(seed: 7), Tiny.Options with { GenerationBatchSize = batchSize });
        transformer.Generator.Shared.BatchStarting = drawn.Add;
        var rows = new[] { "cat", "dog", "unseen", "eel", "" }.Select(name => new NameRow { Name = name });
        var keyed = Ml.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(Tiny.Vectors(Ml)).Transform(Ml.Data.LoadFromEnumerable(rows));
        var view = transformer.Transform(keyed);
        var complete = Tiny.Pictures(transformer.Transform(Ml.Data.TakeRows(Tiny.Keyed(Ml), 2)));
        drawn.Clear();

        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<MLImage>(view.Schema["GeneratedImage"]);
        for (var row = 0; row < 5; row++)
        {
            Assert.IsTrue(cursor.MoveNext());
            MLImage image = null!;
            if (row is 2 or 4)
            {
                var e = Assert.ThrowsExactly<InvalidOperationException>(() => getter(ref image));
                Assert.StartsWith($"Row {row}: column 'Label' has no label", e.Message);
            }
            else
            {
                getter(ref image);
                if (row < 2) Tiny.AreClose([complete[row]], [image.Pixels.ToArray()]);
            }
        }
        Assert.AreEqual(3, drawn.Sum());
    }

    [TestMethod]
    public void Label_MissingInPredictionEngine_FailsThatCallAlone()
    {
        var model = Ml.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(Tiny.Vectors(Ml)).Append(Transformer);
        using var engine = Ml.Model.CreatePredictionEngine<NameRow, PictureOnly>(model, new PredictionEngineOptions { OwnsTransformer = false });
        Assert.IsNotNull(engine.Predict(new() { Name = "cat" }).GeneratedImage);
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => engine.Predict(new() { Name = "unseen" }));
        Assert.StartsWith("Row 1: column 'Label' has no label", e.Message);
        Assert.IsNotNull(engine.Predict(new() { Name = "dog" }).GeneratedImage);
    }

    [TestMethod]
    public void Label_MissingInTraining_NamesTheRow()
    {
        var labels = Ml.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(Ml.Data.TakeRows(Tiny.Vectors(Ml), 2));
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options);
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => trainer.Fit(labels.Transform(Tiny.Vectors(Ml))));
        Assert.StartsWith("Training row 2: column 'Label' has no label", e.Message);
    }

    private static void AreAnnotations<T>(string column, T[] expected)
    {
        var data = Tiny.Keyed(Ml, Tiny.Vectors(Ml), column);
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options with { PixelsColumnName = "GeneratedPixels" });
        using var transformer = trainer.Fit(data);
        using var loaded = (ConditionalDiffusionTransformer)EstimatorConformance.Reload(Ml, transformer, data.Schema, out _);
        foreach (var output in new[] { "GeneratedImage", "GeneratedPixels" })
        {
            var promised = trainer.GetOutputSchema(MLNetInternals.Shape(data.Schema)).Single(shape => shape.Name == output);
            Assert.AreEqual(Annotation, promised.Annotations.Single().Name);
            foreach (var schema in new[] { transformer.GetOutputSchema(data.Schema), loaded.GetOutputSchema(data.Schema) })
            {
                var annotations = schema[output].Annotations;
                CollectionAssert.AreEqual(expected, (Array)Cells.Getter(annotations, annotations.Schema[Annotation])()!);
            }
        }
        CollectionAssert.AreEqual(expected.Select(value => $"{value}").ToArray(), loaded.LabelValues!.ToArray());
    }

    private static void Survives<T>(T[] values, PrimitiveDataViewType type)
    {
        var vocabulary = Of(values, type);
        var json = JsonSerializer.Serialize(vocabulary, ModelJson.Default.LabelVocabulary);
        var read = JsonSerializer.Deserialize(json, ModelJson.Default.LabelVocabulary)!;
        Assert.IsTrue(vocabulary.Matches(read));
        var errors = new OptionErrors();
        read.Check(errors);
        Assert.IsNull(errors.Text);
        var annotations = read.ToAnnotations()!;
        Assert.AreEqual(new VectorDataViewType(type, values.Length), annotations.Schema[Annotation].Type);
        VBuffer<T> buffer = default;
        annotations.GetValue(Annotation, ref buffer);
        CollectionAssert.AreEqual(values.Select(value => $"{value}").ToArray(), buffer.DenseValues().Select(value => $"{value}").ToArray());
    }

    private static LabelVocabulary Of<T>(T[] values, PrimitiveDataViewType type)
    {
        var buffer = new VBuffer<T>(values.Length, values);
        var annotations = new DataViewSchema.Annotations.Builder();
        annotations.Add<VBuffer<T>>("KeyValues", new VectorDataViewType(type, buffer.Length), (ref VBuffer<T> copy) => buffer.CopyTo(ref copy));
        var schema = new DataViewSchema.Builder();
        schema.AddColumn("Label", new KeyDataViewType(typeof(uint), buffer.Length), annotations.ToAnnotations());
        return LabelVocabulary.Read(((Microsoft.ML.Runtime.IHostEnvironment)Ml).Register("test"), schema.ToSchema()["Label"]);
    }

    private static IDataView View(IEnumerable<KeyPixels> rows, KeyDataViewType type)
    {
        var schema = SchemaDefinition.Create(typeof(KeyPixels));
        schema["Label"].ColumnType = type;
        return Ml.Data.LoadFromEnumerable(rows, schema);
    }

    private sealed class KeyPixels
    {
        public uint Label { get; set; }

        [VectorType(64)]
        public float[] Pixels { get; set; } = new float[64];
    }

    private sealed class PictureOnly
    {
        [ImageType(8, 8)]
        public MLImage? GeneratedImage { get; set; }
    }
}
