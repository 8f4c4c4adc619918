using System.Text.Json;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;

namespace CondDiffusion.MLNet.Tests.Conformance;

[TestClass]
public sealed class LabelTests
{
    private const string Annotation = "TrainingLabelValues";

    private static readonly MLContext Ml = new(seed: 7);
    private static readonly ConditionalDiffusionTransformer Transformer = Tiny.FitAnimals(Ml);

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
        var keyed = Tiny.KeyedAnimals(Ml);
        File.WriteAllLines(file, keyed.GetColumn<uint>("Label").Zip(
            keyed.GetColumn<float[]>("Pixels"), (key, pixels) => $"{key - 1}\t{string.Join('\t', pixels)}"));
        var data = Ml.Data.LoadFromTextFile(
            file, [new("Label", kind, [new(0)], new KeyCount(3)), new("Pixels", DataKind.Single, [new(1, 64)])]);
        using var other = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions).Fit(data);
        var expected = Tiny.ImageBytes(Transformer.Transform(keyed));
        Tiny.AreClose(expected, Tiny.ImageBytes(Transformer.Transform(data)));
        Tiny.AreClose(expected, Tiny.ImageBytes(other.Transform(data)));
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    [DataRow(100_000)]
    public void Keys_OfAnyNumberAndWithGaps_TrainAndGenerate(int keys)
    {
        // The first and the last key have images; those between have none.
        var last = (uint)keys - 1;
        var rows = Enumerable.Range(0, 4).Select(i => new Tiny.Image { Label = i % 2 == 0 ? 0 : last }).ToArray();
        var data = View(rows, keys);
        using var transformer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions).Fit(data);

        var unseen = new[] { 0u, (uint)keys / 2, last }.Select(key => new Tiny.Image { Label = key });
        Assert.HasCount(3, Tiny.ImageBytes(transformer.Transform(View(unseen, keys))));
        Assert.IsNull(transformer.LabelValues);
        Assert.IsEmpty(transformer.GetOutputSchema(data.Schema)["GeneratedImage"].Annotations.Schema);
    }

    [TestMethod]
    public void Keys_OfMoreValuesThanAnyModelHas_AreRefused()
    {
        var data = View([new()], uint.MaxValue);
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions);
        Throws.Saying<ArgumentOutOfRangeException>(
            () => trainer.Fit(data),
            "label column 'Label': expected a key of at most 16777216 values, got one of 4294967295");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Transformer.Transform(data));
    }

    [TestMethod]
    public void KeyValues_OfOtherLabelsThanTheTrained_AreRefusedWithBothShown()
    {
        var other = Tiny.Keyed(Ml, Tiny.Animals(Ml), "Flag");
        Throws.Saying<ArgumentOutOfRangeException>(
            () => Transformer.Transform(other),
            "label column 'Label': expected the trained keys, 3 labels (cat, dog, eel), got 2 labels (True, False)");

        var mapping = Ml.Transforms.Conversion.MapValueToKey(
            "Label", "Name", keyOrdinality: ValueToKeyMappingEstimator.KeyOrdinality.ByValue);
        var names = new[] { "eel", "dog", "ant" }.Select(name => new Tiny.NameRow { Name = name });
        var reordered = mapping.Fit(Ml.Data.LoadFromEnumerable(names)).Transform(Tiny.Animals(Ml));
        Throws.Saying<ArgumentOutOfRangeException>(
            () => Transformer.Transform(reordered), "3 labels (cat, dog, eel), got 3 labels (ant, dog, eel)");
    }

    [TestMethod]
    [DataRow(1UL)]
    [DataRow(5UL)]
    public void Keys_OfAnotherNumberThanTheTrained_AreRefused(ulong keys)
    {
        using var model = Tiny.Create(Ml);
        var rows = Ml.Data.LoadFromEnumerable([new Tiny.Row()], Tiny.Schema<Tiny.Row>(keys));
        Throws.Saying<ArgumentOutOfRangeException>(
            () => model.Transform(rows),
            $"label column 'Label': expected the trained keys, 2 labels (cat, dog), got {keys} labels");
    }

    [TestMethod]
    public void KeyValues_OfText_AreAnnotationsOfBothColumns() => AreAnnotations("Name", ["cat", "dog", "eel"]);

    [TestMethod]
    public void KeyValues_OfNumbers_AreAnnotationsOfBothColumns() => AreAnnotations("Number", [0.1f, 1.1f, 2.1f]);

    [TestMethod]
    public void KeyValues_OfBooleans_AreAnnotationsOfBothColumns() => AreAnnotations("Flag", [true, false]);

    [TestMethod]
    public void Vocabulary_OfEveryKind_SurvivesTheModelFile()
    {
        string[] texts = ["", " a,\"b\" ", "\u00e9\u4e2d"];
        Survives([.. texts.Select(text => text.AsMemory())], TextDataViewType.Instance);
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
        var vocabulary = Vocabulary([TimeSpan.Zero, TimeSpan.MaxValue], TimeSpanDataViewType.Instance);
        Assert.AreEqual(2, vocabulary.Count);
        Assert.IsNull(vocabulary.Values);
        Assert.IsNull(vocabulary.ToAnnotations());
    }

    [TestMethod]
    [DataRow("""{"Count":2,"Values":["1"],"Kind":"String"}""", "Values must be 2 texts, one for each label, but is 1.")]
    [DataRow("""{"Count":1,"Values":["x"],"Kind":"Int32"}""", "Values must be texts of the kind Int32, but is not: ")]
    [DataRow("""{"Count":1,"Values":["300"],"Kind":"Byte"}""", "Values must be texts of the kind Byte, but is not: ")]
    [DataRow(
        """{"Count":1,"Values":[null],"Kind":"String"}""",
        "Values must be a text for each label, but is null for one of them.")]
    [DataRow(
        """{"Count":1,"Values":["x"],"Kind":"DateTime"}""",
        "Kind must be the kind of a text, a boolean or a number, but is DateTime.")]
    public void Vocabulary_DamagedInTheModelFile_SaysHow(string json, string expected)
    {
        var errors = new OptionErrors();
        JsonSerializer.Deserialize(json, ModelJson.Default.LabelVocabulary)!.Check(errors);
        Assert.StartsWith(expected, errors.Text ?? "");
    }

    [TestMethod]
    public void Label_MissingWhereThatIsAskedFor_GeneratesWithoutOne()
    {
        using var transformer = Tiny.FitAnimals(new(seed: 7), Tiny.AnimalOptions with
        {
            LabelDropout = 0.2,
            Sampling = new() { SeedColumnName = "Seed", MissingLabels = MissingLabelBehavior.Unconditional },
            Epochs = 8,
            LearningRate = 0.01,
        });
        var rows = new[] { "cat", "unseen" }.Select(name => new Tiny.NameRow { Name = name, Seed = 5 });
        var keyed = Tiny.KeyedNames(Ml, rows);

        var images = Tiny.ImageBytes(transformer.Transform(keyed));

        Assert.IsFalse(images[0].SequenceEqual(images[1]), "the label makes a difference");
        Tiny.AreClose(images, [.. transformer.Generate(["cat", null], [5, 5]).Select(image => image.Pixels.ToArray())]);
    }

    [TestMethod]
    public void Generate_NullLabelWithoutLabelDropout_SaysSo()
    {
        using var transformer = Tiny.FitAnimals(new(seed: 7));
        Throws.Saying<ArgumentException>(() => transformer.Generate(["cat", null]), "LabelDropout");
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    [DataRow(16)]
    public void Label_NeverSeenInTraining_FailsItsRowAlone(int batchSize)
    {
        var batches = new List<int>();
        var options = Tiny.AnimalOptions with { GenerationBatchSize = batchSize };
        using var transformer = Tiny.FitAnimals(new(seed: 7), options);
        transformer.Generator.Shared.BatchStarting = batches.Add;
        var rows = new[] { "cat", "dog", "unseen", "eel", "" }.Select(name => new Tiny.NameRow { Name = name });
        var keyed = Tiny.KeyedNames(Ml, rows);
        var view = transformer.Transform(keyed);
        var complete = Tiny.ImageBytes(transformer.Transform(Ml.Data.TakeRows(Tiny.KeyedAnimals(Ml), 2)));
        batches.Clear();

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
                if (row < 2)
                    Tiny.AreClose([complete[row]], [image.Pixels.ToArray()]);
            }
        }

        Assert.AreEqual(3, batches.Sum());
    }

    /// <summary>MapValueToKey in place hides a column that still has the value.</summary>
    [TestMethod]
    public void Label_MappedInPlaceAndNeverSeen_IsNamedWithItsRow()
    {
        var mapping = Ml.Transforms.Conversion.MapValueToKey("Name").Fit(Tiny.Animals(Ml));
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(
            Tiny.AnimalOptions with { LabelColumnName = "Name", LabelDropout = 0.1 });
        using var transformer = trainer.Fit(mapping.Transform(Tiny.Animals(Ml)));
        const string Expected = "column 'Name' has no label: 'Cat' is none of the model's 3 labels (cat, dog, eel)";

        Tiny.NameRow[] rows = [new() { Name = "cat" }, new() { Name = "Cat" }];
        var view = transformer.Transform(mapping.Transform(Ml.Data.LoadFromEnumerable(rows)));
        Throws.Saying<InvalidOperationException>(() => Tiny.ImageBytes(view), $"Row 1: {Expected}", "MissingLabels");

        using var engine = Tiny.Engine<Tiny.NameRow>(Ml, mapping.Append(transformer));
        Assert.IsNotNull(engine.Predict(rows[0]).GeneratedImage);
        Throws.Saying<InvalidOperationException>(() => engine.Predict(rows[1]), Expected, "MissingLabels");
    }

    [TestMethod]
    public void Label_MappedInPlaceFromNumbers_IsNamedAsANumber()
    {
        var mapping = Ml.Transforms.Conversion.MapValueToKey("Number").Fit(Tiny.Animals(Ml));
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(
            Tiny.AnimalOptions with { LabelColumnName = "Number" });
        using var transformer = trainer.Fit(mapping.Transform(Tiny.Animals(Ml)));
        var rows = Ml.Data.LoadFromEnumerable([new { Number = 7.5f }]);
        Throws.Saying<InvalidOperationException>(
            () => Tiny.ImageBytes(transformer.Transform(mapping.Transform(rows))),
            "Row 0: column 'Number' has no label: '7.5' is none of the model's 3 labels (0.1, 1.1, 2.1)",
            "LabelDropout is 0");
    }

    [TestMethod]
    public void Vocabulary_OfOneAnnotation_IsReadOnce()
    {
        var column = Tiny.KeyedAnimals(Ml).Schema["Label"];
        var host = ((IHostEnvironment)Ml).Register("test");
        var vocabulary = LabelVocabulary.Read(host, column);
        Assert.AreSame(vocabulary, LabelVocabulary.Read(host, column));
        Assert.AreSame(vocabulary.ToAnnotations(), vocabulary.ToAnnotations());
        Assert.AreNotSame(vocabulary, LabelVocabulary.Read(host, Tiny.KeyedAnimals(Ml).Schema["Label"]));
    }

    [TestMethod]
    public void IndexOf_ValueOrNumberOfKey_IsItsRow()
    {
        var named = new LabelVocabulary(4, ["b", "a", "", "b"]);
        Assert.AreSequenceEqual([1, 0, 2], new[] { "a", "b", "" }.Select(named.IndexOf));
        foreach (var label in new[] { "A", "1", " a" })
            Throws.Saying<ArgumentException>(() => named.IndexOf(label), $"'{label}' is not one of");

        var numbered = new LabelVocabulary(12, null);
        Assert.AreSequenceEqual([0, 11], new[] { "1", "12" }.Select(numbered.IndexOf));
        foreach (var label in new[] { "0", "13", "01", "+1", " 1", "-1", "1.0", "", "a", "99999999999" })
            Throws.Saying<ArgumentException>(() => numbered.IndexOf(label), $"'{label}' is not one of");
    }

    [TestMethod]
    public void Label_BeyondTheKeysOfItsType_IsMissing()
    {
        using var model = Tiny.Create(Ml);
        var rows = Ml.Data.LoadFromEnumerable<Tiny.Row>(
            [new() { Label = 1 }, new() { Label = 2 }], Tiny.Schema<Tiny.Row>(9));
        var pixels = model.Transform(new FewerKeys(rows, count: 2)).GetColumn<float[]>("GeneratedPixels");
        Assert.HasCount(1, pixels.Take(1));
        Throws.Saying<InvalidOperationException>(() => _ = pixels.Last(), "Row 1: column 'Label' has no label");
    }

    [TestMethod]
    public void Label_MissingInPredictionEngine_FailsThatCallAlone()
    {
        using var engine = Tiny.Engine<Tiny.NameRow>(Ml, Tiny.KeyMapping(Ml).Append(Transformer));
        Assert.IsNotNull(engine.Predict(new() { Name = "cat" }).GeneratedImage);
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => engine.Predict(new() { Name = "unseen" }));
        Assert.StartsWith("Row 1: column 'Label' has no label", e.Message);
        Assert.IsNotNull(engine.Predict(new() { Name = "dog" }).GeneratedImage);
    }

    [TestMethod]
    public void Label_MissingInTraining_NamesTheRow()
    {
        var labels = Ml.Transforms.Conversion.MapValueToKey("Label", "Name")
            .Fit(Ml.Data.TakeRows(Tiny.Animals(Ml), 2));
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions);
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => trainer.Fit(labels.Transform(Tiny.Animals(Ml))));
        Assert.StartsWith("Training row 2: column 'Label' has no label", e.Message);
    }

    private static void AreAnnotations<T>(string column, T[] expected)
    {
        var data = Tiny.Keyed(Ml, Tiny.Animals(Ml), column);
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions);
        using var transformer = trainer.Fit(data);
        using var loaded = (ConditionalDiffusionTransformer)EstimatorConformance.Reload(
            Ml, transformer, data.Schema, out _);
        var promised = trainer.GetOutputSchema(MLNetInternals.Shape(data.Schema));
        foreach (var output in new[] { "GeneratedImage", "GeneratedPixels" })
        {
            Assert.AreEqual(Annotation, promised.Single(column => column.Name == output).Annotations.Single().Name);
            foreach (var model in new[] { transformer, loaded })
            {
                var annotations = model.GetOutputSchema(data.Schema)[output].Annotations;
                Assert.AreSequenceEqual(expected, (Array)Cells.Getter(annotations, annotations.Schema[Annotation])()!);
            }
        }

        Assert.AreSequenceEqual(expected.Select(value => $"{value}"), loaded.LabelValues!);
    }

    private static void Survives<T>(T[] values, PrimitiveDataViewType type)
    {
        var vocabulary = Vocabulary(values, type);
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
        Assert.AreSequenceEqual(
            values.Select(value => $"{value}"), buffer.DenseValues().Select(value => $"{value}"));
    }

    private static LabelVocabulary Vocabulary<T>(T[] values, PrimitiveDataViewType type)
    {
        var buffer = new VBuffer<T>(values.Length, values);
        var annotations = new DataViewSchema.Annotations.Builder();
        annotations.Add<VBuffer<T>>(
            "KeyValues", new VectorDataViewType(type, buffer.Length), (ref VBuffer<T> copy) => buffer.CopyTo(ref copy));
        var schema = new DataViewSchema.Builder();
        schema.AddColumn("Label", new KeyDataViewType(typeof(uint), buffer.Length), annotations.ToAnnotations());
        var host = ((IHostEnvironment)Ml).Register("test");
        return LabelVocabulary.Read(host, schema.ToSchema()["Label"]);
    }

    private static IDataView View(IEnumerable<Tiny.Image> rows, long keys) =>
        Ml.Data.LoadFromEnumerable(rows, Tiny.Schema<Tiny.Image>((ulong)keys));
}
