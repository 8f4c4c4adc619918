using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using static TorchSharp.torch;
using Options = CondDiffusion.MLNet.ConditionalDiffusionTrainer.Options;

namespace CondDiffusion.MLNet.Tests;

/// <summary>Trainings that start from the weights of a trained model. Its labels are cat and dog.</summary>
[TestClass]
public sealed class InitialModelTests
{
    private static readonly MLContext Ml = new(seed: 1);

    /// <summary>A model whose noise levels are those of trainings today.</summary>
    private static readonly ModelDescription Today = Tiny.Description with { ScalesVariances = true };

    private static UNetShape Shape => Tiny.Description.Network;

    public static IEnumerable<string> Sources => ["transformer", "zip", "safetensors"];

    [TestMethod]
    [DynamicData(nameof(Sources))]
    public void CreateNetwork_OtherLabels_KeepsAllWeightsAndKnownLabels(string source)
    {
        using var directory = new TemporaryDirectory();
        using var model = Tiny.Create(Ml);
        var initial = Write(model, source, directory);
        var isNamed = source != "safetensors";

        using var scope = NewDisposeScope();
        string[] labels = ["bird", "dog", "cat", "fish"];
        using var network = initial.CreateNetwork(Describe(Shape with { Labels = 4, Height = 16 }, labels), CPU);

        var from = Tensors(model);
        var to = network.StateDict().ToDictionary(tensor => tensor.Entry.Name, tensor => Values(tensor.Values));
        Assert.AreSequenceEqual(from.Keys, to.Keys);
        foreach (var name in from.Keys.Where(name => name != "label_emb.weight"))
            Assert.AreSequenceEqual(from[name], to[name], name);

        var table = from["label_emb.weight"];
        var cat = table[..4];
        var dog = table[4..];
        float[] mean = [.. cat.Zip(dog, (a, b) => (a + b) / 2)];
        float[] expected = isNamed ? [.. mean, .. dog, .. cat, .. mean] : [.. cat, .. dog, .. mean, .. mean];
        Assert.AreSequenceEqual(expected, to["label_emb.weight"]);
    }

    /// <summary>A layer that only one of the two has is dropped, or starts as in a new network.</summary>
    [TestMethod]
    [DynamicData(nameof(Sources))]
    public void CreateNetwork_LayerForTransforms_IsKeptDroppedOrZero(string source)
    {
        using var directory = new TemporaryDirectory();
        foreach (var (had, has) in new[] { (true, true), (true, false), (false, true) })
        {
            var known = Describe(Shape with { TakesTransform = had }, ["cat", "dog"]);
            using var model = new ConditionalDiffusionTransformer(Ml, known, RandomNetwork.Create(known.Network));
            var initial = Write(model, source, directory);
            var target = Describe(Shape with { TakesTransform = has }, ["cat", "dog"]);
            using var network = initial.CreateNetwork(target, CPU);

            var from = Tensors(model);
            foreach (var (entry, values) in network.StateDict())
                Assert.AreSequenceEqual(from.GetValueOrDefault(entry.Name, new float[20]), Values(values), entry.Name);
            Assert.AreEqual(has, network.StateDict().Any(tensor => tensor.Entry.Name == UNetShape.TransformLayer));
        }
    }

    [TestMethod]
    public void Fit_FromAModelWithNoStepToSpeakOf_GeneratesItsImages()
    {
        using var model = Tiny.Create(Ml, Today);
        var options = Tiny.Options with
        {
            Prediction = PredictionTarget.Noise,
            InitialModel = InitialModel.From(model),
            LearningRate = 1e-12,
            MovingAverageLengths = [],
            Seed = (int)Tiny.Description.Seed,
            Precision = Precision.Float32,
        };

        // A batch norm's statistics would change even so: compare the parameters.
        using var tuned = Fit(options);
        using var scope = NewDisposeScope();
        var (before, after) = (Parameters(model), Parameters(tuned));
        Assert.IsLessThan(1e-9f, (before - after).abs().max().item<float>());

        static Tensor Parameters(ConditionalDiffusionTransformer model)
        {
            Tensor? parameters = null;
            model.Generator.UseNetwork(network => parameters = network.Parameters.detach().clone());
            return parameters!;
        }
    }

    [TestMethod]
    public void From_ChainInAChain_FindsTheGenerator()
    {
        using var model = Tiny.Create(Ml);
        var inner = new Microsoft.ML.Data.TransformerChain<ITransformer>(model);
        var outer = new Microsoft.ML.Data.TransformerChain<ITransformer>(inner);
        using var network = InitialModel.From(outer).CreateNetwork(Tiny.Description, CPU);
        Assert.AreSequenceEqual(Tensors(model)["label_emb.weight"], Values(network.StateDict()[^1].Values));

        var keys = Ml.Transforms.Conversion.MapValueToKey("Label").Fit(Tiny.Rows(Ml));
        Assert.ThrowsExactly<ArgumentException>(() => InitialModel.From(keys));
    }

    [TestMethod]
    public void CreateNetwork_EqualLabels_CountsTheFirst()
    {
        var description = Tiny.Description with { Labels = new(2, ["cat", "cat"]) };
        using var model = Tiny.Create(Ml, description);
        using var network = InitialModel.From(model).CreateNetwork(description, CPU);
        var cat = Tensors(model)["label_emb.weight"][..4];
        Assert.AreSequenceEqual([.. cat, .. cat], Values(network.StateDict()[^1].Values));
    }

    [TestMethod]
    public void LearningRate_WithAnInitialModel_HasADefaultOfItsOwn()
    {
        using var model = Tiny.Create(Ml);
        Assert.AreEqual(1e-3, Peak(new()));
        Assert.AreEqual(3e-3, Peak(new() { InitialModel = InitialModel.From(model) }));
        Assert.AreEqual(1e-4, Peak(new() { InitialModel = InitialModel.From(model), LearningRate = 1e-4 }));

        static double Peak(Options options) => options.LoopSettings(1, ScalarType.Float32).LearningRate.Peak;
    }

    /// <summary>PyTorch's batch norms count their batches, in a tensor of integers.</summary>
    [TestMethod]
    public void FromFile_WeightsWithPyTorchsBatchCounters_ReadsTheOthers()
    {
        using var directory = new TemporaryDirectory();
        using var model = Tiny.Create(Ml);
        Write(model, "safetensors", directory);
        var file = File.ReadAllBytes(directory.File("model.safetensors"));
        var length = BitConverter.ToInt32(file);
        var header = System.Text.Encoding.UTF8.GetString(file, 8, length).TrimEnd()[..^1];
        var end = file.Length - 8 - length;
        header += $",\"down1.convs.1.num_batches_tracked\":{{\"dtype\":\"I64\",\"shape\":[]," +
            $"\"data_offsets\":[{end},{end + 8}]}}}}";
        header = header.PadRight((header.Length + 7) / 8 * 8);
        File.WriteAllBytes(
            directory.File("torch.safetensors"),
            [
                .. BitConverter.GetBytes((long)header.Length),
                .. System.Text.Encoding.UTF8.GetBytes(header),
                .. file[(8 + length)..],
                .. new byte[8],
            ]);

        var initial = InitialModel.FromFile(directory.File("torch.safetensors"));
        using var network = initial.CreateNetwork(Tiny.Description, CPU);
        using var expected = InitialModel.From(model).CreateNetwork(Tiny.Description, CPU);
        Assert.AreSequenceEqual(Values(expected.Parameters), Values(network.Parameters));
    }

    [TestMethod]
    public void Fit_InterruptedAndOfAnotherModel_IsRefused()
    {
        using var directory = new TemporaryDirectory();
        using var model = Tiny.Create(Ml, Today);
        var options = Tiny.Options with
        {
            InitialModel = InitialModel.From(model),
            Prediction = PredictionTarget.Noise,
            CheckpointDirectory = directory.Path,
        };
        Fit(options).Dispose();
        Fit(options).Dispose();

        var other = options with { InitialModel = null };
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(other));
        Assert.Contains("InitialModel was", exception.Message);
        Assert.Contains("and is none", exception.Message);
    }

    /// <summary>The weights of one channel would be broadcast to three.</summary>
    [TestMethod]
    public void CreateNetwork_OtherChannels_AreRefused()
    {
        using var model = Tiny.Create(Ml);
        Throws.Saying<InvalidOperationException>(
            () => InitialModel.From(model).CreateNetwork(Describe(Shape with { Channels = 3 }, ["cat", "dog"]), CPU),
            "Channels is 1 there and 3 here");
    }

    /// <summary>Format 1.2 had the same variances for any number of timesteps.</summary>
    [TestMethod]
    public void CreateNetwork_TimestepsOfOtherNoise_AreRefused()
    {
        using var old = Tiny.Create(Ml);
        Throws.Saying<InvalidOperationException>(
            () => InitialModel.From(old).CreateNetwork(Today, CPU),
            "Schedule is Linear with the variances of 1000 timesteps there and Linear here.");

        using var same = Tiny.Create(Ml, Today);
        InitialModel.From(same).CreateNetwork(Today, CPU).Dispose();
        using var thousand = Tiny.Create(Ml, Tiny.Description with { Timesteps = 1000 });
        InitialModel.From(thousand).CreateNetwork(Today with { Timesteps = 1000 }, CPU).Dispose();
    }

    /// <summary>A residual network is given the noise level, which means the same with any timesteps.</summary>
    [TestMethod]
    public void CreateNetwork_ResidualNetworkOfOtherTimestepsAndSchedule_KeepsItsWeights()
    {
        var known = Today with
        {
            Network = Shape with { Architecture = NetworkArchitecture.Residual, Widths = [32] },
        };
        var source = ConditionalUNet.Create(known.Network, CPU, seed: 2);
        using var model = new ConditionalDiffusionTransformer(Ml, known, source);
        using var network = InitialModel.From(model).CreateNetwork(
            known with { Timesteps = 7, Schedule = BetaSchedule.Cosine }, CPU);
        Assert.AreSequenceEqual(Values(source.Parameters), Values(network.Parameters));
    }

    /// <summary>The checkpoint belongs to the file that the training began with.</summary>
    [TestMethod]
    public void Fit_FileReplacedWhileTheRowsAreRead_ResumesWithTheFirstOne()
    {
        using var directory = new TemporaryDirectory();
        using var first = Tiny.Create(Ml, Today);
        var file = directory.File("model.zip");
        Ml.Model.Save(first, null, file);
        var bytes = File.ReadAllBytes(file);
        var options = Tiny.Options with
        {
            InitialModel = InitialModel.FromFile(file),
            Prediction = PredictionTarget.Noise,
            CheckpointDirectory = directory.File("checkpoints"),
        };
        Tiny.Fit(Ml, options, Rows("another model"u8.ToArray())).Dispose();
        File.WriteAllBytes(file, bytes);
        Tiny.Fit(Ml, options, Rows(bytes)).Dispose();

        IEnumerable<Tiny.Image> Rows(byte[] replacement)
        {
            File.WriteAllBytes(file, replacement);
            for (var i = 0; i < 8; i++) yield return new() { Label = (uint)i % 2 };
        }
    }

    [TestMethod]
    public void Fit_ModelThatDoesNotFit_SaysWhatDiffers()
    {
        using var directory = new TemporaryDirectory();
        using var model = Tiny.Create(Ml, Today);
        Refuses(
            Tiny.Options with { InitialModel = InitialModel.From(model), ChannelWidths = [2, 4, 2], EmbeddingSize = 5 },
            "InitialModel, the given transformer, cannot be used: it is another kind of model: " +
            "ChannelWidths is [2, 2, 2] there and [2, 4, 2] here; EmbeddingSize is 4 there and 5 here; " +
            "Prediction is Noise there and Velocity here.");
        Refuses(
            Tiny.Options with
            {
                InitialModel = InitialModel.From(model),
                Prediction = PredictionTarget.Noise,
                Timesteps = 5,
                Schedule = BetaSchedule.Cosine,
            },
            "Timesteps is 4 there and 5 here; Schedule is Linear there and Cosine here.");
        Refuses(
            Tiny.Options with { InitialModel = Write(model, "safetensors", directory), ChannelWidths = [2, 4, 2] },
            "model.safetensors', cannot be used: tensor 'down2.convs.0.weight' has shape");
        Refuses(
            Tiny.Options with { InitialModel = InitialModel.FromFile(directory.File("none.zip")) },
            "none.zip', cannot be used: ");

        File.WriteAllText(directory.File("text.safetensors"), "this is no header");
        Refuses(
            Tiny.Options with { InitialModel = InitialModel.FromFile(directory.File("text.safetensors")) },
            "text.safetensors', cannot be used: the header claims");

        Write(model, "zip", directory);
        var damaged = File.ReadAllBytes(directory.File("model.zip"));
        damaged[damaged.Length / 2] ^= 1;
        File.WriteAllBytes(directory.File("damaged.zip"), damaged);
        Refuses(
            Tiny.Options with { InitialModel = InitialModel.FromFile(directory.File("damaged.zip")) },
            "damaged.zip', cannot be used: ");

        var keys = Ml.Transforms.Conversion.MapValueToKey("Label").Fit(Tiny.Rows(Ml));
        Ml.Model.Save(keys, null, directory.File("keys.zip"));
        Refuses(
            Tiny.Options with { InitialModel = InitialModel.FromFile(directory.File("keys.zip")) },
            "keys.zip', cannot be used: its model does not generate images.");

        var exception = Assert.ThrowsExactly<ArgumentException>(() => InitialModel.FromFile("model.onnx"));
        Assert.Contains("'model.onnx' ends neither in .zip nor in .safetensors.", exception.Message);

        static void Refuses(Options options, string message) =>
            Assert.Contains(message, Assert.ThrowsExactly<InvalidOperationException>(() => Fit(options)).Message);
    }

    private static ModelDescription Describe(UNetShape shape, string[] labels) =>
        Tiny.Description with { Network = shape, Labels = new(labels.Length, labels) };

    private static ConditionalDiffusionTransformer Fit(Options options) => Tiny.Fit(new(seed: 1), options);

    private static InitialModel Write(
        ConditionalDiffusionTransformer model, string source, TemporaryDirectory directory)
    {
        var file = directory.File($"model.{source}");
        switch (source)
        {
            case "zip":
                Ml.Model.Save(model, null, file);
                return InitialModel.FromFile(file);
            case "safetensors":
                using (var stream = File.Create(file)) model.Generator.UseNetwork(network => network.Save(stream));
                return InitialModel.FromFile(file);
            default:
                return InitialModel.From(model);
        }
    }

    private static Dictionary<string, float[]> Tensors(ConditionalDiffusionTransformer model)
    {
        Dictionary<string, float[]> tensors = [];
        model.Generator.UseNetwork(network =>
            tensors = network.StateDict().ToDictionary(tensor => tensor.Entry.Name, tensor => Values(tensor.Values)));
        return tensors;
    }

    private static float[] Values(Tensor tensor)
    {
        using var copy = tensor.detach().clone();
        return copy.data<float>().ToArray();
    }
}
