using System.Diagnostics;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Onnx.Format;
using CondDiffusion.MLNet.Tests.Support;
using Google.Protobuf;
using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;

namespace CondDiffusion.MLNet.Tests.Onnx;

[TestClass]
public sealed class OnnxImageGeneratorTests
{
    private static readonly ModelDescription Description = OnnxModel.Description;

    /// <summary>A model that takes many seconds for an image.</summary>
    private static readonly ModelDescription Slow = Description with
    {
        Timesteps = 10_000,
        Sampling = Description.Sampling with { Steps = 10_000 },
    };

    [TestMethod]
    public void Generate_LabelsAndSeeds_GivesTheModelsImagesInBatches()
    {
        using var model = new OnnxModel(Description with { Sampling = Description.Sampling with { Seed = -5 } });
        using var generator = OnnxImageGenerator.Load(model.Save());
        string?[] labels = ["cat", "dog", null, "cat", "dog", "cat", "dog"];
        long[] seeds = [3, -1, long.MinValue, 3, 5, 6, 7];
        var reports = new List<GenerationProgress>();
        var images = Bytes(generator.Generate(labels, seeds, progress: report =>
        {
            reports.Add(report);
            foreach (var image in report.ToImages()) image.Dispose();
        }));

        Tiny.AreClose(Bytes(model.Transformer.Generate(labels, seeds)), images);
        Tiny.AreClose(Bytes(model.Transformer.Generate(["dog", "cat"])), Bytes(generator.Generate(["dog", "cat"])));
        Assert.AreSequenceEqual(
            [(1, 3, 0), (2, 3, 3), (3, 3, 6)],
            reports.Select(report => (report.BatchNumber, report.Batches, report.FirstImage)));
        Assert.IsTrue(reports.All(report => report is { Step: 6, Steps: 6, Timestep: 0 }));

        Assert.AreSequenceEqual(["cat", "dog"], generator.LabelValues);
        Assert.AreEqual(model.Transformer.Sampling with { GuidanceScale = 2 }, generator.Sampling);
        Assert.IsTrue(generator.GeneratesUnlabelled);
    }

    [TestMethod]
    public void Generate_GuidanceOfEachImage_GivesTheImagesOfThatSampling()
    {
        using var model = new OnnxModel(Description);
        using var generator = OnnxImageGenerator.Load(model.Save());
        var images = Bytes(generator.Generate(["cat", "cat"], [4, 4], guidance: [1, 3]));
        foreach (var (i, scale) in new[] { 1, 3 }.Index())
        {
            using var other = model.Ml.ImageGeneration.WithSampling(
                model.Transformer, Description.Sampling with { GuidanceScale = scale });
            Tiny.AreClose(Bytes(other.Generate(["cat"], [4])), [images[i]]);
        }
    }

    /// <summary>The two generations wait for each other after each batch.</summary>
    [TestMethod]
    public async Task Generate_TwoThreads_GivesEachItsImages()
    {
        using var model = new OnnxModel(Description);
        using var generator = OnnxImageGenerator.Load(model.Save());
        using var barrier = new Barrier(2);
        string[] labels = [.. Enumerable.Repeat("cat", 9)];
        var timeout = TimeSpan.FromSeconds(30);
        byte[][] Generate(long seed, Action<GenerationProgress>? progress = null) => Bytes(generator.Generate(
            labels, [.. Enumerable.Range(0, labels.Length).Select(i => seed + i)], progress: progress));

        var together = await Task.WhenAll(new[] { 1, 100 }.Select(seed => Task.Run(
            () => Generate(seed, _ => Assert.IsTrue(barrier.SignalAndWait(timeout))))));
        Assert.AreEqual(3, barrier.CurrentPhaseNumber);
        Tiny.AreClose(Generate(1), together[0]);
        Tiny.AreClose(Generate(100), together[1]);
    }

    /// <summary>The scores of 4 heads between 32 x 32 pixels have 16 of 128 MB, those between 16 x 16 have 1.</summary>
    [TestMethod]
    [DataRow(32, false, 8)]
    [DataRow(32, true, 4)]
    [DataRow(16, true, 32)]
    [DataRow(256, true, 1)]
    public void ChooseBatchSize_Attention_HasRoomForItsScores(int side, bool guided, int expected)
    {
        var network = new UNetShape(1, 2 * side, 2 * side, Labels: 2, EmbeddingSize: 8, [32])
        {
            Architecture = NetworkArchitecture.Residual,
        };
        Assert.AreEqual(expected, OnnxImageGenerator.ChooseBatchSize(Description with
        {
            Network = network,
            GeneratesUnlabelled = guided,
            BatchSize = null,
        }));
    }

    [TestMethod]
    public void Generate_InvalidArguments_SaysWhatIsWrong()
    {
        using var model = new OnnxModel(Description with { GeneratesUnlabelled = false });
        using var generator = OnnxImageGenerator.Load(model.Save());
        void Refuses(string message, string?[] labels, long[]? seeds = null, float[]? guidance = null) =>
            Throws.Saying<ArgumentException>(() => generator.Generate(labels, seeds, guidance), message);

        Refuses("no labels", []);
        Refuses("'eel' is not one of the model's 2 labels (cat, dog)", ["cat", "eel"]);
        Refuses("A label is null", [null]);
        Refuses("1 seeds for 2 labels", ["cat", "dog"], [1]);
        Refuses("cannot be guided", ["cat"], null, [2]);

        using var guided = new OnnxModel(Description);
        using var other = OnnxImageGenerator.Load(guided.Save());
        Throws.Saying<ArgumentException>(() => other.Generate(["cat"], null, [1, 2]), "2 guidance scales for 1 labels");
        Throws.Saying<ArgumentException>(() => other.Generate(["cat"], null, [-1]), "in [0, 1000], but is -1");
        Throws.Saying<ArgumentException>(() => other.Generate(["cat"], null, [float.NaN]), "but is NaN");

        using var two = new OnnxModel(Description with { Network = Description.Network with { Channels = 2 } });
        using var pixels = OnnxImageGenerator.Load(two.Save());
        Throws.Saying<InvalidOperationException>(() => pixels.Generate(["cat"]), "1 or 3 channels", "generates 2");
    }

    [TestMethod]
    public void Generate_Cancelled_EndsAtOnce()
    {
        using var model = new OnnxModel(Slow);
        using var generator = OnnxImageGenerator.Load(model.Save());
        using var source = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        var clock = Stopwatch.StartNew();
        var exception = Assert.ThrowsExactly<OperationCanceledException>(
            () => generator.Generate(["cat"], cancellationToken: source.Token));
        Assert.AreEqual(source.Token, exception.CancellationToken);
        Assert.IsLessThan(TimeSpan.FromSeconds(2), clock.Elapsed);
        Assert.ThrowsExactly<OperationCanceledException>(
            () => generator.Generate(["cat"], cancellationToken: source.Token));
    }

    [TestMethod]
    public void Generate_CallbackThrows_StopsBeforeTheNextBatch()
    {
        using var model = new OnnxModel(Description);
        using var generator = OnnxImageGenerator.Load(model.Save());
        var reports = 0;
        Throws.Saying<InvalidOperationException>(
            () => generator.Generate([.. Enumerable.Repeat("cat", 7)], progress: _ =>
            {
                reports++;
                throw new InvalidOperationException("enough");
            }),
            "enough");
        Assert.AreEqual(1, reports);
    }

    [TestMethod]
    public async Task Dispose_DuringAGeneration_EndsIt()
    {
        using var model = new OnnxModel(Slow);
        var generator = OnnxImageGenerator.Load(model.Save());
        var running = Task.Run(() => generator.Generate(["cat"]));
        await Task.Delay(100);
        generator.Dispose();
        generator.Dispose();
        await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => running);
        Assert.ThrowsExactly<ObjectDisposedException>(() => generator.Generate(["cat"]));
    }

    [TestMethod]
    public void Load_OtherFiles_NamesTheFileAndSaysWhatIsWrong()
    {
        using var model = new OnnxModel(Description);
        var bytes = File.ReadAllBytes(model.Save());
        void Refuses(byte[] file, params ReadOnlySpan<string> message)
        {
            File.WriteAllBytes(model.Path, file);
            Throws.Saying<FormatException>(() => OnnxImageGenerator.Load(model.Path), [$"'{model.Path}' ", .. message]);
        }

        const string Incomplete = "is not a complete file of SaveAsOnnx: ";
        foreach (var length in new[] { 0, 1, 100, bytes.Length / 2, bytes.Length - 100, bytes.Length - 1 })
            Refuses(bytes[..length], Incomplete);
        Refuses([.. Enumerable.Range(0, 1000).Select(i => (byte)(i * i))], Incomplete);

        const string Unreadable = "cannot be read: ";
        Refuses(Change(file => file.MetadataProps.Clear()), Unreadable, "it has no metadata 'description'");
        Refuses(
            Replace("\"Height\": 8", "\"Height\": 12"),
            Unreadable, "its input 'noise' has the sizes [-1, 1, 8, 12], expected [-1, 1, 12, 12]");
        Refuses(
            Replace("\"Height\": 8", "\"Height\": 9"),
            Unreadable, "Network.Height must be a positive multiple of 4, but is 9");
        Refuses(
            Replace("\"Format\": 3", "\"Format\": 7, \"New\": true"),
            Unreadable, "it needs a newer CondDiffusion.MLNet", "format 1.7", "up to 1.6");
        Assert.ThrowsExactly<FileNotFoundException>(() => OnnxImageGenerator.Load(model.File("none.onnx")));

        byte[] Replace(string old, string value) => Change(file => file.MetadataProps[0].Value =
            file.MetadataProps[0].Value.Replace(old, value, StringComparison.Ordinal));

        byte[] Change(Action<ModelProto> change)
        {
            var file = ModelProto.Parser.ParseFrom(bytes);
            change(file);
            return file.ToByteArray();
        }
    }

    [TestMethod]
    public void Load_InvalidOption_DoesNotBlameTheFile()
    {
        using var model = new OnnxModel(Description);
        using var options = new SessionOptions { OptimizedModelFilePath = model.File("none/optimized.onnx") };
        Throws.Saying<InvalidOperationException>(
            () => OnnxImageGenerator.Load(model.Save(), options),
            $"'{model.Path}' cannot be loaded: ", "none/optimized.onnx");
    }

    /// <summary>The file itself tells what its graph cannot mean, whoever runs it.</summary>
    [TestMethod]
    public void Session_LabelsOfOtherModels_GiveNaN()
    {
        using var model = new OnnxModel(Description);
        using var session = new InferenceSession(model.Save());
        Assert.AreSequenceEqual(
            [false, true, false, false, true], AreNaN(session, [0, 2, 1, -7, long.MaxValue], guided: true));
        Throws.Saying<OnnxRuntimeException>(
            () => Run(session, [1], guided: true, width: 8), "noise", "Got: 8 Expected: 12");

        using var labelled = new OnnxModel(Description with { GeneratesUnlabelled = false });
        using var other = new InferenceSession(labelled.Save());
        Assert.AreSequenceEqual(["label", "noise"], other.InputNames);
        Assert.AreSequenceEqual(
            [true, false, true, true], AreNaN(other, [-1, 1, 2, long.MinValue], guided: false));
    }

    [TestMethod]
    public void Session_StepsOfLabelsOfOtherModels_AreNaN()
    {
        using var model = new OnnxModel(Description);
        using var session = new InferenceSession(model.Save(new() { IncludeSteps = true }));
        var steps = Run(session, [1, 2], guided: true, width: 12, output: "steps").Chunk(8 * 12);
        Assert.AreSequenceEqual(
            Enumerable.Range(0, 2 * Description.Steps).Select(i => i % 2 == 1),
            steps.Select(image => image.All(float.IsNaN)));
    }

    /// <summary>Returns for each label whether the pixels of its image are NaN.</summary>
    private static IEnumerable<bool> AreNaN(InferenceSession session, long[] labels, bool guided) =>
        Run(session, labels, guided, width: 12).Chunk(8 * 12).Select(image => image.All(float.IsNaN));

    private static float[] Run(
        InferenceSession session, long[] labels, bool guided, int width, string output = "pixels")
    {
        var count = labels.Length;
        using var numbers = OrtValue.CreateTensorValueFromMemory(labels, [count]);
        using var noise = OrtValue.CreateTensorValueFromMemory(new float[count * 8 * width], [count, 1, 8, width]);
        using var scales = OrtValue.CreateTensorValueFromMemory(new float[count], [count]);
        var inputs = new Dictionary<string, OrtValue> { ["label"] = numbers, ["noise"] = noise };
        if (guided) inputs["guidance"] = scales;
        using var run = new RunOptions();
        using var outputs = session.Run(run, inputs, [output]);
        return outputs[0].GetTensorDataAsSpan<float>().ToArray();
    }

    private static byte[][] Bytes(IReadOnlyList<MLImage> images)
    {
        byte[][] bytes = [.. images.Select(image => image.Pixels.ToArray())];
        foreach (var image in images) image.Dispose();
        return bytes;
    }
}
