using System.Security.Cryptography;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Onnx;

[TestClass]
public sealed class OnnxExtensionsTests
{
    private static readonly SamplingOptions Dpm = OnnxModel.Description.Sampling;

    private static readonly SamplingOptions Ddim = Dpm with { Sampler = Sampler.Ddim, Spacing = StepSpacing.Uniform };

    private static readonly UNetShape Plain = OnnxModel.Description.Network;

    private static readonly UNetShape Residual = new(3, 8, 12, Labels: 2, EmbeddingSize: 8, [32, 64])
    {
        Architecture = NetworkArchitecture.Residual,
    };

    /// <summary>Together they have every architecture, with one level and several, and every way of sampling.</summary>
    private static readonly ModelDescription[] Models =
    [
        OnnxModel.Description,
        OnnxModel.Description with
        {
            Network = Plain with { Channels = 3, Height = 12, Width = 8 },
            Prediction = PredictionTarget.Noise,
            Sampling = Ddim,
        },
        OnnxModel.Description with
        {
            Sampling = Ddim with { Spacing = StepSpacing.Focused, GuidanceSigmaLow = 0.5, GuidanceSigmaHigh = 5 },
        },
        OnnxModel.Description with { Network = Residual },
        OnnxModel.Description with
        {
            Network = Residual with { Channels = 1, Height = 24, Width = 16, Widths = [32, 32, 64] },
            GeneratesUnlabelled = false,
            Schedule = BetaSchedule.Cosine,
            Sampling = Dpm with { Steps = 1, ClipPixels = false },
        },
        OnnxModel.Description with
        {
            Network = Residual with { Channels = 2, Widths = [64] },
            GeneratesUnlabelled = false,
            DistilledSteps = 4,
            Sampling = Ddim with { Steps = 4, Spacing = StepSpacing.Angle, ClipPixels = false },
        },
        OnnxModel.Description with
        {
            Network = Residual with { TakesTransform = true },
            Sampling = Dpm with { Steps = 2 },
        },
    ];

    public static IEnumerable<int> Numbers => Enumerable.Range(0, Models.Length);

    [TestMethod]
    public void Models_Architectures_AreAll() => Assert.AreSequenceEqual(
        Enum.GetValues<NetworkArchitecture>(), Models.Select(model => model.Network.Architecture).Distinct());

    [TestMethod]
    [DynamicData(nameof(Numbers))]
    public void SaveAsOnnx_EveryModel_GivesItsImages(int number)
    {
        var description = Models[number];
        using var model = new OnnxModel(description);
        using var strict = new SessionOptions();
        strict.AddSessionConfigEntry("session.strict_shape_type_inference", "1");
        using var generator = OnnxImageGenerator.Load(model.Save(), strict);

        Condition[] rows = description.GeneratesUnlabelled
            ? [new(0, 1, 2), new(LabelRow.None, 2, 5), new(1, 3, 1), new(0, 4, 0), new(1, new(5, 6), 3.5f)]
            : [new(0, 1, 1), new(1, 2, 1)];
        var pixels = Generate(generator, rows);
        AreTheSame(model.Transformer.Generator.Generate(rows), pixels);
        Assert.AreEqual(description.Sampling.ClipPixels, pixels.All(pixel => Math.Abs(pixel) <= 1));

        // No row is guided.
        rows = [.. rows.Select(row => row with { Guidance = 1 })];
        AreTheSame(model.Transformer.Generator.Generate(rows), Generate(generator, rows));
    }

    [TestMethod]
    [DynamicData(nameof(Numbers))]
    public void SaveAsOnnx_Float16_GivesNearlyItsImages(int number)
    {
        using var model = new OnnxModel(Models[number]);
        using var exact = OnnxImageGenerator.Load(model.Save());
        using var half = OnnxImageGenerator.Load(model.Save(new() { Weights = OnnxWeights.Float16 }));

        var scale = exact.GeneratesUnlabelled ? 2 : 1;
        Condition[] rows = [.. Enumerable.Range(0, 64).Select(i => new Condition(i % 2, (UInt128)i, scale))];
        var differences = Generate(exact, rows)
            .Zip(Generate(half, rows), (a, b) => Math.Abs(Level(a) - Level(b)))
            .ToArray();
        Assert.IsLessThan(0.5, differences.Average());
        Assert.IsLessThan(0.1, differences.Count(difference => difference > 1) / (double)differences.Length);

        static double Level(float pixel) => Math.Round((Math.Clamp(pixel, -1, 1) + 1) * 127.5);
    }

    /// <summary>A channel that is always zero has no variance, and its batch norm divides by what it adds.</summary>
    [TestMethod]
    [DataRow(0.0)]
    [DataRow(1e-6)]
    public void SaveAsOnnx_ChannelsOfHardlyAnyVariance_GivesTheImages(double variance)
    {
        using var model = new OnnxModel(OnnxModel.Description);
        model.Transformer.Generator.UseNetwork(network =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            foreach (var (entry, values) in network.StateDict())
            {
                if (entry.Role == TensorRole.OneBuffer) values.fill_(variance);
                else if (entry.Role == TensorRole.One) values.fill_(3e-3); // keeps the activations' size
            }
        });
        using var generator = OnnxImageGenerator.Load(model.Save());

        Condition[] rows = [new(0, 1, 1), new(1, 2, 2)];
        AreTheSame(model.Transformer.Generator.Generate(rows), Generate(generator, rows));
    }

    /// <summary>Where the channels of a pixel are nearly equal, its layer norm divides by what it adds.</summary>
    [TestMethod]
    public void SaveAsOnnx_PixelsOfHardlyAnyVariance_GivesTheImages()
    {
        using var model = new OnnxModel(OnnxModel.Description with
        {
            Network = Residual,
            Sampling = Dpm with { Steps = 2 },
        });
        model.Transformer.Generator.UseNetwork(network =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var tensors = network.StateDict().ToDictionary(tensor => tensor.Entry.Name, tensor => tensor.Values);
            tensors["bot1.0.norm2.weight"].fill_(1e-3); // the block before the attention
            tensors["bot1.0.norm2.bias"].zero_();
            tensors["bot1.0.skip.weight"].zero_();
            tensors["bot1.0.skip.bias"].zero_();
        });
        using var generator = OnnxImageGenerator.Load(model.Save());

        Condition[] rows = [new(0, 1, 1), new(1, 2, 2)];
        AreTheSame(model.Transformer.Generator.Generate(rows), Generate(generator, rows));
    }

    /// <summary>The second output has the images that the library's progress shows after each step.</summary>
    [TestMethod]
    public void SaveAsOnnx_IncludeSteps_GivesTheImagesOfEachStep()
    {
        using var model = new OnnxModel(OnnxModel.Description with { Labels = new(2, ["cat", "dog"]) });
        var expected = new List<byte[]>();
        foreach (var image in model.Transformer.Generate(["dog"], [7], progress =>
        {
            using var step = progress.ToImages()[0];
            expected.Add(step.Pixels.ToArray());
        })) image.Dispose();

        using var session = new InferenceSession(model.Save(new() { IncludeSteps = true }));
        var shape = model.Transformer.Generator.Shape;
        var noise = new float[shape.Pixels];
        new RowNoise(OnnxModel.Description.NoiseSeed, 7).Fill(noise, ImageGenerator.InitialNoise);
        using var label = OrtValue.CreateTensorValueFromMemory<long>([1], [1]);
        using var start = OrtValue.CreateTensorValueFromMemory(noise, [1, 1, shape.Height, shape.Width]);
        using var guidance = OrtValue.CreateTensorValueFromMemory<float>([2], [1]);
        using var run = new RunOptions();
        using var outputs = session.Run(
            run, ["label", "noise", "guidance"], [label, start, guidance], ["steps", "pixels"]);
        var steps = outputs[0].GetTensorDataAsSpan<float>().ToArray();
        Assert.AreSequenceEqual(outputs[1].GetTensorDataAsSpan<float>().ToArray(), steps[^shape.Pixels..]);

        var images = PixelConversion.ToImages([steps], shape.ToImageShape());
        byte[][] found = [.. images.Select(image => image.Pixels.ToArray())];
        foreach (var image in images) image.Dispose();
        Assert.HasCount(6, found);
        Tiny.AreClose([.. expected], found);
    }

    [TestMethod]
    public void SaveAsOnnx_Float16_IsHalfTheSize()
    {
        using var model = new OnnxModel(Models[3]);
        var size = new FileInfo(model.Save()).Length;
        var half = new FileInfo(model.Save(new() { Weights = OnnxWeights.Float16 })).Length;
        Assert.IsLessThan(0.55 * size, half);
    }

    [TestMethod]
    public void SaveAsOnnx_WeightBeyondFloat16_IsRefused()
    {
        using var model = new OnnxModel(OnnxModel.Description);
        model.Transformer.Generator.UseNetwork(network =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            network.StateDict().Single(tensor => tensor.Entry.Name == "up1.mlp.2.weight").Values.fill_(70000);
        });
        Throws.Saying<InvalidOperationException>(
            () => model.Save(new() { Weights = OnnxWeights.Float16 }),
            "Weights must be Float32", "'up1.mlp.2.weight' holds 70000", "65504");
        Assert.IsFalse(File.Exists(model.Path));
        model.Save();
    }

    /// <summary>
    /// The table of 200 million labels has 3.2 GB. Its 800 million values are fewer than the bytes that a file holds.
    /// </summary>
    [TestMethod]
    public void SaveAsOnnx_WeightsOfMoreThanTwoGigabytes_AreRefused()
    {
        using var directory = new TemporaryDirectory();
        var file = directory.File("model.onnx");
        var ml = new MLContext();
        using var model = Tiny.Create(
            ml, Tiny.Description with { Network = Tiny.Description.Network with { Labels = 200_000_000 } });
        Throws.Saying<InvalidOperationException>(
            () => ml.ImageGeneration.SaveAsOnnx(model, file),
            "cannot be exported: its weights have 32", "expected at most 2130706431");
        Assert.IsFalse(File.Exists(file));
    }

    [TestMethod]
    [DataRow(Sampler.Ancestral, 0, "is Ancestral,")]
    [DataRow(Sampler.Ddim, 0.5, "is Ddim with Eta 0.5,")]
    public void SaveAsOnnx_SamplerThatAddsNoise_IsRefusedWithTheWayOut(Sampler sampler, double eta, string found)
    {
        using var model = new OnnxModel(OnnxModel.Description with
        {
            Sampling = Dpm with { Sampler = sampler, Eta = eta },
        });
        Throws.Saying<ArgumentException>(
            () => model.Save(), found, "DpmSolver, or Ddim with Eta 0", "WithSampling", "OnnxExportOptions.Sampling");

        using var other = model.Ml.ImageGeneration.WithSampling(model.Transformer, Ddim);
        using var generator = OnnxImageGenerator.Load(model.Save(new() { Sampling = Ddim }));
        Assert.AreEqual(Ddim with { GuidanceScale = 2 }, generator.Sampling);
        Condition[] rows = [new(0, 1, 2), new(1, 2, 1)];
        AreTheSame(other.Generator.Generate(rows), Generate(generator, rows));
    }

    [TestMethod]
    public void SaveAsOnnx_InvalidArguments_SaysWhatIsWrongAndLeavesTheFile()
    {
        using var model = new OnnxModel(OnnxModel.Description);
        File.WriteAllText(model.Path, "before");
        Throws.Saying<ArgumentException>(
            () => model.Save(new() { Weights = (OnnxWeights)9 }), "Weights must be a value of its type, but is 9");
        Throws.Saying<ArgumentException>(
            () => model.Save(new() { Sampling = new() { Steps = 0 } }), "Steps must be from 1 to 10000, but is 0");
        var chain = new TransformerChain<ITransformer>();
        Throws.Saying<ArgumentException>(
            () => model.Ml.ImageGeneration.SaveAsOnnx(chain, model.Path), "does not generate images");
        Assert.AreEqual("before", File.ReadAllText(model.Path));

        Assert.ThrowsExactly<DirectoryNotFoundException>(
            () => model.Ml.ImageGeneration.SaveAsOnnx(model.Transformer, model.File("none/model.onnx")));
        Assert.AreSequenceEqual([model.Path], Directory.GetFiles(Path.GetDirectoryName(model.Path)!));
    }

    [TestMethod]
    public async Task SaveAsOnnx_UntilItIsComplete_HidesTheFile()
    {
        using var model = new OnnxModel(OnnxModel.Description);
        using var watcher = new FileSystemWatcher(Path.GetDirectoryName(model.Path)!);
        var renamed = new TaskCompletionSource<string?>();
        watcher.Renamed += (_, change) => renamed.TrySetResult(change.OldName);
        watcher.EnableRaisingEvents = true;
        model.Save();
        Assert.StartsWith(".", await renamed.Task.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [TestMethod]
    public void ConvertToOnnx_ModelFile_GivesTheFileOfTheModel()
    {
        using var model = new OnnxModel(OnnxModel.Description with { Sampling = Dpm with { GuidanceScale = 2 } });
        var expected = File.ReadAllBytes(model.Save());
        var chain = new TransformerChain<ITransformer>(model.Transformer);
        foreach (var saved in new ITransformer[] { model.Transformer, chain })
        {
            var zip = model.File("model.zip");
            model.Ml.Model.Save(saved, null, zip);
            model.Ml.ImageGeneration.ConvertToOnnx(zip, model.Path);
            Assert.AreSequenceEqual(expected, File.ReadAllBytes(model.Path));
        }

        var entries = new ModelZip(File.ReadAllBytes(model.File("model.zip")));
        using var session = new InferenceSession(model.Path);
        var metadata = session.ModelMetadata.CustomMetadataMap;
        Assert.AreEqual(
            Convert.ToHexStringLower(SHA256.HashData([.. entries[ModelZip.Description], .. entries[ModelZip.Weights]])),
            metadata["sha256"]);
        Assert.AreSequenceEqual(
            entries[ModelZip.Description], System.Text.Encoding.UTF8.GetBytes(metadata["description"]));
    }

    [TestMethod]
    public void ConvertToOnnx_OtherFiles_NamesTheFileAndSaysWhatIsWrong()
    {
        using var model = new OnnxModel(OnnxModel.Description);
        var zip = model.File("model.zip");
        model.Ml.Model.Save(model.Transformer, null, zip);
        var bytes = File.ReadAllBytes(zip);
        void Refuses(byte[] file, string message)
        {
            File.WriteAllBytes(zip, file);
            Throws.Saying<FormatException>(
                () => model.Ml.ImageGeneration.ConvertToOnnx(zip, model.Path), $"'{zip}': ", message);
            Assert.IsFalse(File.Exists(model.Path));
        }

        Refuses(bytes[..^30], "");
        Refuses([1, 2, 3], "");

        var entries = new ModelZip(bytes);
        entries[ModelZip.Weights][^1] ^= 1;
        Refuses(entries.ToBytes(), "do not have the checksum");
        entries.Remove(ModelZip.Weights);
        Refuses(entries.ToBytes(), "'weights.safetensors' is missing");
        entries.Remove(ModelZip.Description);
        Refuses(entries.ToBytes(), "holds no generator of images");
        Assert.ThrowsExactly<FileNotFoundException>(
            () => model.Ml.ImageGeneration.ConvertToOnnx(model.File("none.zip"), model.Path));
    }

    private static float[] Generate(OnnxImageGenerator generator, Condition[] rows) =>
        [.. generator.GenerateBatches(rows).SelectMany(batch => batch)];

    /// <summary>Asserts that the largest difference is below one grey level.</summary>
    private static void AreTheSame(float[] expected, float[] actual)
    {
        // Not clipped everywhere, or the comparison would see little.
        Assert.IsGreaterThan(0.1, expected.Count(pixel => Math.Abs(pixel) != 1) / (double)expected.Length);
        Assert.IsLessThan(1 / 127.5f, TensorAssert.LargestDifference(expected, actual));
    }
}
