using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using CondDiffusion.MLNet.Classification;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using static CondDiffusion.MLNet.Tests.Classification.Shapes;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Classification;

/// <summary>What a fitted classifier does with rows, with files and with threads.</summary>
[TestClass]
public sealed class ConvolutionalNetworkTransformerTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly ConvolutionalNetworkTransformer Model = Fit(Ml);
    private static readonly byte[] Saved = ModelZip.Save(Ml, Model);

    [ClassCleanup]
    public static void Free() => Model.Dispose();

    [TestMethod]
    public void Load_SavedModel_GivesTheSameScores()
    {
        var rows = Ml.Data.LoadFromEnumerable(Draw(70, seed: 2));
        using var loaded = (ConvolutionalNetworkTransformer)ModelZip.Load(new(), Saved);
        foreach (var (expected, actual) in Scores(Model, rows).Zip(Scores(loaded, rows)))
            Assert.AreSequenceEqual(expected, actual);

        // The bytes of the files differ in the time of the entries.
        var saved = new ModelZip(Saved);
        var again = new ModelZip(ModelZip.Save(Ml, loaded));
        foreach (var entry in new[] { ModelZip.Key, ModelZip.Description, ModelZip.Weights })
            Assert.AreSequenceEqual(saved[entry], again[entry], entry);
    }

    [TestMethod]
    public void Save_Description_HasWhatDoesNotFollowFromTheRest()
    {
        var json = JsonNode.Parse(new ModelZip(Saved)[ModelZip.Description])!.AsObject();
        Assert.AreSequenceEqual(
            ["Network", "Labels", "FeatureColumnName", "PredictedLabelColumnName", "ScoreColumnName",
                "FeaturesColumnName"],
            json.Select(property => property.Key));
        Assert.AreSequenceEqual(
            ["Channels", "Height", "Width", "Labels", "Widths", "Convolutions", "Features"],
            json["Network"]!.AsObject().Select(property => property.Key));
    }

    [TestMethod]
    public void Load_DamagedEntries_AreFound()
    {
        AssertRefused(zip => zip.Remove(ModelZip.Weights), "entry 'weights.safetensors' is missing");
        AssertRefused(zip => zip.Remove(ModelZip.Description), "entry 'description.json' is missing");
        AssertRefused(zip => zip[ModelZip.Weights][^3] ^= 1, "checksum");
        AssertRefused(zip => zip[ModelZip.Description][50] ^= 1, "checksum");
        AssertRefused(zip => zip[ModelZip.Weights] = zip[ModelZip.Weights][..^4], "checksum");
    }

    [TestMethod]
    public void Load_AnotherFormat_SaysWhichItNeeds()
    {
        static void SetVersion(ModelZip zip, uint version)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(zip[ModelZip.Key].AsSpan(0x48), version);
            BinaryPrimitives.WriteUInt32LittleEndian(zip[ModelZip.Key].AsSpan(0x4C), version);
        }

        Assert.AreEqual(0x00010001u, BinaryPrimitives.ReadUInt32LittleEndian(
            new ModelZip(Saved)[ModelZip.Key].AsSpan(0x48)));
        AssertRefused(
            zip => SetVersion(zip, 0x00010002), "needs a newer CondDiffusion.MLNet", "format 1.2", "up to 1.1");
        AssertRefused(zip => SetVersion(zip, 0x00010000), "too old");
    }

    [TestMethod]
    [DataRow("Network.Widths", "[4,7]", "has shape [6, 4, 3, 3], expected [7, 4, 3, 3]")]
    [DataRow("Network.Widths", "[16777216,16777216]", "Network.Parameters must be at most")]
    [DataRow("Network.Widths", "[]", "Network.Widths must be 1 to 16 numbers")]
    [DataRow("Network.Widths", "null", "Widths")]
    [DataRow("Network.Convolutions", "1000000000", "Network.Convolutions must be from 1 to 16")]
    [DataRow("Network.Height", "16777216", "Network.Channels x Height x Width must be at most 4194304 values")]
    [DataRow("Network.Height", "16", "features.weight")]
    [DataRow("Network.Features", "0", "Network.Features must be from 1 to 16777216")]
    [DataRow("Network.Labels", "4", "Labels.Count must be 4, as in Network, but is 3")]
    [DataRow("Labels", "null", "Labels")]
    [DataRow("Labels", "{\"Count\":3,\"Values\":[\"cat\"]}", "Labels.Values must be 3 texts")]
    [DataRow("FeatureColumnName", "\"\"", "FeatureColumnName must be a column name")]
    [DataRow("ScoreColumnName", "\"PredictedLabel\"", "ScoreColumnName must be another column than PredictedLabel")]
    [DataRow("FeaturesColumnName", "\"Score\"", "FeaturesColumnName must be another column than ScoreColumnName")]
    [DataRow("Script", "\"rm\"", "Script")]
    public void Load_ImpossibleDescription_IsRefusedBeforeAllocating(string path, string value, string message)
    {
        var file = Forge(zip =>
        {
            var json = JsonNode.Parse(zip[ModelZip.Description])!;
            var names = path.Split('.');
            (names is [var owner, _] ? json[owner]! : json)[names[^1]] = JsonNode.Parse(value);
            zip[ModelZip.Description] = Encoding.UTF8.GetBytes(json.ToJsonString());
        });
        var before = GC.GetAllocatedBytesForCurrentThread();
        AssertRefused(file, message);
        Assert.IsLessThan(1_000_000, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    public void Load_FileOfTheOtherKind_IsRefused()
    {
        using var generator = Tiny.Create(Ml);
        var other = new ModelZip(ModelZip.Save(Ml, generator));
        AssertRefused(
            Forge(zip =>
            {
                zip[ModelZip.Description] = other[ModelZip.Description];
                zip[ModelZip.Weights] = other[ModelZip.Weights];
            }),
            "description");

        // The block of one kind with the loader of the other.
        var signature = "CONDCLAS"u8.ToArray();
        AssertRefused(
            zip =>
            {
                var at = zip[ModelZip.Key].AsSpan().IndexOf(signature);
                other[ModelZip.Key].AsSpan(at, signature.Length).CopyTo(zip[ModelZip.Key].AsSpan(at));
            },
            "Unknown file type");
    }

    [TestMethod]
    public void Transform_BadRows_NameRowAndColumnAndLeaveTheOthers()
    {
        var good = Draw(5, seed: 5).Select(shape => new Loose { Pixels = shape.Pixels }).ToArray();
        Loose[] rows = [.. good[..2], new() { Pixels = new float[63] }, good[2], new() { Pixels = WithNaN() },
            new(), .. good[3..]];
        var view = Model.Transform(Ml.Data.LoadFromEnumerable(rows));
        using var cursor = view.GetRowCursor(view.Schema);
        var getScore = cursor.GetGetter<VBuffer<float>>(view.Schema["Score"]);
        var getLabel = cursor.GetGetter<uint>(view.Schema["PredictedLabel"]);
        VBuffer<float> score = default;
        uint label = 0;
        var scores = new List<float[]>();
        var errors = new List<string>();
        while (cursor.MoveNext())
        {
            try
            {
                getScore(ref score);
                scores.Add([.. score.DenseValues()]);
            }
            catch (InvalidOperationException exception)
            {
                errors.Add(exception.Message);
                Assert.ThrowsExactly<InvalidOperationException>(() => getLabel(ref label));
            }
        }

        Assert.AreSequenceEqual(
            [
                "Row 2: column 'Pixels' must have 64 values, but has 63.",
                "Row 4: column 'Pixels' must have values in [-1, 1], but has NaN; NormalizeImages scales images to " +
                    "that.",
                "Row 5: column 'Pixels' must have 64 values, but has 0.",
            ],
            errors);
        AreClose(Scores(Model, Ml.Data.LoadFromEnumerable(good)), [.. scores]);

        static float[] WithNaN()
        {
            var values = new float[64];
            values[9] = float.NaN;
            return values;
        }
    }

    /// <summary>The last weight, a bias of the logits, is not a number. Key 0 is the missing one.</summary>
    [TestMethod]
    public void Transform_ProbabilitiesThatAreNoNumbers_PredictNoLabel()
    {
        var file = Forge(zip =>
            BinaryPrimitives.WriteSingleLittleEndian(zip[ModelZip.Weights].AsSpan()[^4..], float.NaN));
        using var model = (ConvolutionalNetworkTransformer)ModelZip.Load(Ml, file);
        var rows = Ml.Data.LoadFromEnumerable(Draw(2, seed: 5));
        Assert.IsTrue(Scores(model, rows).All(scores => scores.All(float.IsNaN)));
        Assert.AreSequenceEqual([0u, 0u], model.Transform(rows).GetColumn<uint>("PredictedLabel"));
    }

    [TestMethod]
    public void Transform_FeatureColumn_MissingOrOfAnotherType_IsNamed()
    {
        static void Refuses<T>(T row, params string[] parts)
            where T : class =>
            Throws.Saying<ArgumentOutOfRangeException>(
                () => Model.Transform(Ml.Data.LoadFromEnumerable([row])), [.. parts]);

        Refuses(new { X = 1f }, "Could not find feature column 'Pixels'");
        Refuses(new { Pixels = "x" }, "feature column 'Pixels'", "expected a vector of 64 Single, [1, 8, 8] or flat");
        Refuses(new { Pixels = new double[64] }, "feature column 'Pixels'", "Double");
        Refuses(new Small(), "feature column 'Pixels'", "63");
        Refuses(new Interleaved(), "feature column 'Pixels'", "expected a vector of 64 Single, [1, 8, 8]", "8, 8, 1");
        Model.Transform(Ml.Data.LoadFromEnumerable([new Planar()]));
    }

    [TestMethod]
    [DataRow(1, 8, 8)]
    [DataRow(1, 12, 10)]
    [DataRow(3, 5, 9)]
    [DataRow(3, 16, 16)]
    [DataRow(3, 8, 8)]
    [DataRow(1, 8, 12)]
    [DataRow(3, 11, 8)]
    public void PixelsReader_ImagesOfAnySize_AreThoseOfNormalizeImages(int channels, int height, int width)
    {
        foreach (var isOpaque in new[] { true, false })
        {
            MLImage Image(int seed)
            {
                if (isOpaque) return TestImages.Random(height, width, MLPixelFormat.Rgba32, seed);

                var bytes = new byte[height * width * 4];
                new Random(seed).NextBytes(bytes);
                return MLImage.CreateFromPixels(width, height, MLPixelFormat.Bgra32, bytes);
            }

            var expected = Ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8, channels)
                .Normalize(TestImages.View(Ml, [.. Enumerable.Range(0, 3).Select(Image)]))
                .GetColumn<float[]>("Pixels")
                .ToArray();
            var view = TestImages.View(Ml, [.. Enumerable.Range(0, 3).Select(Image)]);
            var column = view.Schema["Image"];
            var cursor = view.GetRowCursor([column]);
            using var reader = new PixelsReader(cursor, column, new(channels, 8, 8));
            foreach (var pixels in expected)
            {
                Assert.IsTrue(cursor.MoveNext());
                Assert.AreSequenceEqual(pixels, reader.ReadChecked().Values, $"opaque: {isOpaque}");
            }
        }
    }

    [TestMethod]
    public void Transform_ImagesInMemory_AreLeftAndCanBeReadAgain()
    {
        var images = Draw(4, seed: 6).Select(shape => PixelConversion.ToImage(shape.Pixels, new(1, 8, 8))).ToList();
        images.Add(TestImages.Random(9, 11, MLPixelFormat.Bgra32, 1));
        var rows = images.Select(image => new Photo { Pixels = image }).ToArray();
        var view = Ml.Data.LoadFromEnumerable(rows);
        var first = Scores(Model, view);
        AreClose(first, Scores(Model, view));
        using (var engine = Ml.Model.CreatePredictionEngine<Photo, Prediction>(
            Model, new PredictionEngineOptions { OwnsTransformer = false }))
        {
            AreClose(first, [.. rows.Select(row => engine.Predict(row).Score)]);
        }

        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.HasCount(8 * 8 * 3, images[0].GetBGRPixels);
        Assert.HasCount(9 * 11 * 3, images[4].GetBGRPixels);
        foreach (var image in images) image.Dispose();
    }

    [TestMethod]
    public void Transform_ImageMissing_NamesTheRow()
    {
        Photo[] rows = [new() { Pixels = TestImages.Plain(8, 8, 1, 2, 3) }, new()];
        var view = Model.Transform(Ml.Data.LoadFromEnumerable(rows));
        Throws.Saying<InvalidOperationException>(
            () => view.GetColumn<uint>("PredictedLabel").ToArray(), "Row 1: column 'Pixels' has no image");
    }

    /// <summary>ML.NET's transforms give back the image of the row before, disposed, for a missing one.</summary>
    [TestMethod]
    public void Transform_ImageMissingBehindATransform_NamesTheRow()
    {
        Photo[] rows = [new() { Pixels = TestImages.Plain(4, 4, 1, 2, 3) }, new()];
        var view = Ml.Data.LoadFromEnumerable(rows);
        var resized = Ml.Transforms.ResizeImages("Small", 8, 8, "Pixels")
            .Append(Ml.Transforms.CopyColumns("Pixels", "Small")).Fit(view).Transform(view);
        Throws.Saying<InvalidOperationException>(
            () => Model.Transform(resized).GetColumn<uint>("PredictedLabel").ToArray(),
            "Row 1: column 'Pixels' has no image");
    }

    [TestMethod]
    public void Transform_ImagesOfADisposedGenerator_NamesIt()
    {
        var generator = Tiny.Create(Ml, Tiny.Description with { PixelsColumnName = "Pixels" });
        var view = Model.Transform(generator.Transform(Tiny.Rows(Ml, 2)));
        generator.Dispose();
        Throws.Saying<ObjectDisposedException>(
            () => view.GetColumn<uint>("PredictedLabel").ToArray(), nameof(ConditionalDiffusionTransformer));
    }

    [TestMethod]
    public void Transform_ImagesOfACancelledGenerator_IsCancelled()
    {
        var other = new MLContext();
        using var generator = Tiny.Create(other, Tiny.Description with { PixelsColumnName = "Pixels" });
        var view = Model.Transform(generator.Transform(Tiny.Rows(Ml, 2)));
        other.Cancel();
        Assert.Throws<OperationCanceledException>(() => view.GetColumn<uint>("PredictedLabel").ToArray());
    }

    /// <summary>A device may round an image otherwise when it generates it again.</summary>
    [TestMethod]
    public void IsNear_RoundedImages_AreTheSameAndOthersAreNot()
    {
        var image = new ImagePixels([-1, 0, 1]);
        Assert.IsTrue(image.IsNear(new([-1, 0.2f, 0.8f])));
        Assert.IsFalse(image.IsNear(new([-1, 0, 0.5f])));
        Assert.IsFalse(image.IsNear(new([-1, 0])));
        Assert.IsFalse(image.IsNear(new([-1, 0, 1], "cannot be read")));
    }

    /// <summary>ML.NET's image transforms dispose the images of a list when they have read them.</summary>
    [TestMethod]
    public void Transform_ImagesThatATransformDisposes_SaysWhatToDo()
    {
        Photo[] rows =
            [.. Enumerable.Range(0, 3).Select(_ => new Photo { Pixels = TestImages.Plain(8, 8, 1, 2, 3) })];
        var view = Ml.Data.LoadFromEnumerable(rows);
        var resized = Ml.Transforms.ResizeImages("Pixels", 8, 8).Fit(view).Transform(view);
        Throws.Saying<InvalidOperationException>(
            () => Scores(Model, resized), "column 'Pixels' cannot be read: Object is disposed.", "transforms dispose");
    }

    [TestMethod]
    public void Transform_ModelOfTwoChannels_RefusesImages()
    {
        var options = Options with { Channels = 2, Height = 4 };
        using var model = Fit(Ml, options);
        Throws.Saying<ArgumentOutOfRangeException>(
            () => model.Transform(Ml.Data.LoadFromEnumerable([new Photo()])),
            "expected a vector of 64 Single, [2, 4, 8] or flat,");
    }

    [TestMethod]
    public void Dispose_AfterEveryUse_FreesEveryTensor()
    {
        var before = TensorAssert.Count();
        using (var model = Fit(Ml))
        {
            Scores(model, Ml.Data.LoadFromEnumerable(Draw(5, seed: 1)));
            using var loaded = (ConvolutionalNetworkTransformer)ModelZip.Load(Ml, ModelZip.Save(Ml, model));
            Scores(loaded, Ml.Data.LoadFromEnumerable(Draw(5, seed: 1)));
        }

        Assert.AreEqual(before, Tensor.TotalCount);
    }

    [TestMethod]
    public void Use_AfterDispose_ThrowsNamingTheTransformer()
    {
        var model = Fit(Ml);
        var view = model.Transform(Ml.Data.LoadFromEnumerable(Draw(5, seed: 1)));
        model.Dispose();
        model.Dispose();
        Action[] uses =
            [() => ModelZip.Save(Ml, model), () => _ = view.GetColumn<uint>("PredictedLabel").ToArray()];
        foreach (var use in uses)
        {
            var exception = Assert.Throws<Exception>(use).GetBaseException();
            Assert.IsInstanceOfType<ObjectDisposedException>(exception);
            Assert.Contains(nameof(ConvolutionalNetworkTransformer), exception.Message);
        }
    }

    [TestMethod]
    public async Task Dispose_WhileAnotherThreadClassifies_EndsThatAndFreesTheTensors()
    {
        Scores(Model, Ml.Data.LoadFromEnumerable(Draw(5, seed: 1)));
        var before = TensorAssert.Count();
        var shapes = Draw(200, seed: 1);
        for (var i = 0; i < 10; i++)
        {
            var model = (ConvolutionalNetworkTransformer)ModelZip.Load(Ml, Saved);
            using var started = new ManualResetEventSlim();
            var classify = Task.Run(() =>
            {
                while (true)
                {
                    Scores(model, new MLContext().Data.LoadFromEnumerable(shapes));
                    started.Set();
                }
            });
            Assert.IsTrue(started.Wait(TimeSpan.FromSeconds(10)));
            await Task.Delay(i % 4);
            model.Dispose();
            var exception = await Assert.ThrowsAsync<Exception>(() => classify.WaitAsync(TimeSpan.FromSeconds(10)));
            Assert.IsInstanceOfType<ObjectDisposedException>(exception.GetBaseException());
        }

        Assert.AreEqual(before, TensorAssert.Count());
    }

    [TestMethod]
    public void Transformer_UsedByManyThreads_GivesTheScoresOfOne()
    {
        var shapes = Draw(150, seed: 3);
        var expected = Scores(Model, Ml.Data.LoadFromEnumerable(shapes));
        Parallel.For(0, 4, _ => AreClose(expected, Scores(Model, new MLContext().Data.LoadFromEnumerable(shapes))));
    }

    private static void AreClose(float[][] expected, float[][] actual)
    {
        Assert.HasCount(expected.Length, actual);
        foreach (var (row, other) in expected.Zip(actual))
            for (var i = 0; i < row.Length; i++) Assert.AreEqual(row[i], other[i], 1e-5f);
    }

    private static byte[] Forge(Action<ModelZip> change)
    {
        var zip = new ModelZip(Saved);
        zip.Forge(() => change(zip));
        return zip.ToBytes();
    }

    private static void AssertRefused(Action<ModelZip> damage, params string[] parts)
    {
        var zip = new ModelZip(Saved);
        damage(zip);
        AssertRefused(zip.ToBytes(), parts);
    }

    private static void AssertRefused(byte[] file, params string[] parts)
    {
        var before = TensorAssert.Count();
        var exception = Assert.Throws<Exception>(() => ModelZip.Load(Ml, file)).GetBaseException();
        Assert.IsInstanceOfType<FormatException>(exception);
        foreach (var part in parts) Assert.Contains(part, exception.Message);
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    private sealed class Loose
    {
        public float[] Pixels { get; set; } = [];
    }

    private sealed class Small
    {
        [VectorType(63)]
        public float[] Pixels { get; set; } = new float[63];
    }

    private sealed class Interleaved
    {
        [VectorType(8, 8, 1)]
        public float[] Pixels { get; set; } = new float[64];
    }

    private sealed class Planar
    {
        [VectorType(1, 8, 8)]
        public float[] Pixels { get; set; } = new float[64];
    }

    private sealed class Photo
    {
        [ImageType(8, 8)]
        public MLImage? Pixels { get; set; }
    }

    private sealed class Prediction
    {
        public float[] Score { get; set; } = [];
    }
}
