using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Pipeline;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using static System.StringComparer;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Pipeline;

[TestClass]
public sealed class ModelFileTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void Load_SavedSolo_IsTheTransformerAndGeneratesTheSame()
    {
        using var model = Tiny.Create(Ml);
        using var loaded = (ConditionalDiffusionTransformer)ModelZip.Load(new(seed: 99), ModelZip.Save(Ml, model));
        AssertSame(model, loaded);
        Assert.AreSequenceEqual(model.LabelValues!, loaded.LabelValues!);
        Assert.AreEqual(model.Timesteps, loaded.Timesteps);
    }

    [TestMethod]
    public void Load_SavedInChainsByPath_GeneratesTheSame()
    {
        using var directory = new TemporaryDirectory();
        using var model = Tiny.Create(Ml);
        var copy = Ml.Transforms.CopyColumns("Again", "Label").Fit(Tiny.Rows(Ml));
        var inner = new TransformerChain<ITransformer>(copy, model);
        using var outer = new TransformerChain<ITransformer>(copy, inner);
        Ml.Model.Save(outer, Tiny.Rows(Ml).Schema, directory.File("model.zip"));

        var loaded = new MLContext().Model.Load(directory.File("model.zip"), out var schema);
        using var disposable = (IDisposable)loaded;
        AssertSame(model, loaded);
        Assert.AreEqual("Label", schema.Single().Name);
    }

    [TestMethod]
    public void Load_SavedWithDataLoader_BringsTheLoaderAndGeneratesTheSame()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.File("rows.tsv"), "0\n1\n0\n");
        var loader = Ml.Data.CreateTextLoader(
            [new("Label", DataKind.UInt32, [new TextLoader.Range(0)], new KeyCount(2))]);
        using var model = Tiny.Create(Ml);
        Ml.Model.Save(model, loader, directory.File("model.zip"));

        var ml = new MLContext();
        var loaded = ml.Model.LoadWithDataLoader(directory.File("model.zip"), out var loadedLoader);
        using var disposable = (IDisposable)loaded;
        var rows = loadedLoader.Load(new MultiFileSource(directory.File("rows.tsv")));
        AssertSame(Tiny.Pixels(model, Tiny.Rows(Ml, 3)), Tiny.Pixels(loaded, rows));
    }

    [TestMethod]
    public void Load_InAPluginLoadContext_FindsThePluginsOwnLibrary()
    {
        using var model = Tiny.Create(Ml);
        var file = ModelZip.Save(Ml, model);
        var context = new AssemblyLoadContext("plug-in", isCollectible: true);
        LoadWithin(context, file);
        context.Unload();

        [MethodImpl(MethodImplOptions.NoInlining)]
        void LoadWithin(AssemblyLoadContext plugin, byte[] file)
        {
            plugin.LoadFromAssemblyPath(typeof(ModelFile).Assembly.Location);
            using var scope = plugin.EnterContextualReflection();
            var loaded = ModelZip.Load(new(), file);
            using var disposable = (IDisposable)loaded;
            Assert.AreSame(plugin, AssemblyLoadContext.GetLoadContext(loaded.GetType().Assembly));
            AssertSame(model, loaded);
        }
    }

    [TestMethod]
    public void Load_FileOfFormatVersionOne_GeneratesItsImages()
    {
        // ModelZip.Save(Ml, Tiny.Create(Ml)) wrote the file with that version's code, in another process: this
        // tests both.
        const string Expected =
            "FFACB671660ABFAFFF5616FE6DFF00FFA65AF1F794FFFF6491DC7B7AFF000E29" +
            "5B00C9E4009BC1FF8A007D688EEC0F16321300484700765152AB9C56ECFFFF5D";
        using var file = typeof(ModelFileTests).Assembly.GetManifestResourceStream("model-v1.zip")!;
        var model = new MLContext().Model.Load(file, out _);
        using var disposable = (IDisposable)model;

        // The file has no sampling options: it is sampled as that version of the library did.
        var expectedSampling = new SamplingOptions
        {
            Sampler = Sampler.Ancestral,
            Steps = 4,
            Spacing = StepSpacing.Uniform,
            ClipPixels = false,
            Precision = Precision.Float32,
            GuidanceScale = 1,
            GuidanceSigmaLow = 0,
            GuidanceSigmaHigh = null,
        };
        Assert.AreEqual(expectedSampling, ((ConditionalDiffusionTransformer)model).Sampling);

        var image = model.Transform(Tiny.Rows(Ml)).GetColumn<MLImage>("GeneratedImage").Last();
        var levels = image.Pixels.ToArray().Where((_, i) => i % 4 == 0).ToArray();

        foreach (var (expected, level) in Convert.FromHexString(Expected).Zip(levels))
            Assert.AreEqual(expected, level, 1.0, Convert.ToHexString(levels));
    }

    [TestMethod]
    public void Load_WeightsOfThePythonScript_AreTheModels()
    {
        // These are the steps of docs/model-files.md: the entries, other weights in the order of their names, the hash.
        using var model = Tiny.Create(Ml);
        var zip = new ModelZip(ModelZip.Save(Ml, model));
        var description = zip[ModelZip.Description];
        var old = SHA256.HashData([.. description, .. zip[ModelZip.Weights]]);

        var header = new JsonObject();
        var values = new List<byte>();
        foreach (var tensor in Tiny.Description.Network.Tensors().OrderBy(tensor => tensor.Name, Ordinal))
        {
            var start = values.Count;
            for (var i = 0; i < tensor.Length; i++)
                values.AddRange(BitConverter.GetBytes(Value(tensor.Name, i)));
            header[tensor.Name] = new JsonObject
            {
                ["dtype"] = "F32",
                ["shape"] = new JsonArray([.. tensor.Shape.Select(size => JsonValue.Create(size))]),
                ["data_offsets"] = new JsonArray(start, values.Count),
            };
        }

        var text = Encoding.UTF8.GetBytes(header.ToJsonString());
        byte[] weights = [.. BitConverter.GetBytes((long)text.Length), .. text, .. values];
        zip[ModelZip.Weights] = weights;
        var key = zip[ModelZip.Key];
        SHA256.HashData([.. description, .. weights]).CopyTo(key, key.AsSpan().IndexOf(old));

        using var loaded = (ConditionalDiffusionTransformer)ModelZip.Load(Ml, zip.ToBytes());
        loaded.Generator.UseNetwork(network =>
        {
            foreach (var (entry, tensor) in network.StateDict())
            {
                var expected = Enumerable.Range(0, (int)entry.Length).Select(i => Value(entry.Name, i));
                Assert.AreSequenceEqual(expected, tensor.contiguous().data<float>().ToArray());
            }
        });

        static float Value(string tensor, int i) => tensor.Length + i / 1024f;
    }

    [TestMethod]
    public void Save_Twice_GivesTheSameEntries()
    {
        using var model = Tiny.Create(Ml);
        AssertSameEntries(ModelZip.Save(Ml, model), ModelZip.Save(Ml, model));
    }

    [TestMethod]
    public void Save_LoadedModel_GivesTheSameEntries()
    {
        using var model = Tiny.Create(Ml);
        var file = ModelZip.Save(Ml, model);
        using var loaded = (ConditionalDiffusionTransformer)ModelZip.Load(Ml, file);
        AssertSameEntries(file, ModelZip.Save(Ml, loaded));
    }

    [TestMethod]
    public void Load_InsideADisposeScope_OutlivesIt()
    {
        using var model = Tiny.Create(Ml);
        var file = ModelZip.Save(Ml, model);
        ITransformer loaded;
        using (NewDisposeScope()) loaded = ModelZip.Load(Ml, file);
        using var disposable = (IDisposable)loaded;
        AssertSame(model, loaded);
    }

    [TestMethod]
    public void Load_LargeModel_NeedsLittleMoreMemoryThanItsWeights()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("Only Linux reports a process's peak memory and can reset it.");

        using var directory = new TemporaryDirectory();
        var description = Tiny.Description with
        {
            Network = Tiny.Description.Network with { Widths = [108, 216, 432] },
        };
        var network = ConditionalUNet.Create(description.Network, CPU, seed: 1);
        using (var model = new ConditionalDiffusionTransformer(Ml, description, network))
            Ml.Model.Save(model, null, directory.File("model.zip"));
        var size = sizeof(float) * description.Network.Tensors().Sum(tensor => tensor.Length); // 24 MB

        GC.Collect();
        GC.WaitForPendingFinalizers();
        File.WriteAllText("/proc/self/clear_refs", "5");
        var before = Memory("VmRSS");
        var managed = GC.GetAllocatedBytesForCurrentThread();

        using var loaded = (IDisposable)Ml.Model.Load(directory.File("model.zip"), out _);
        Assert.IsLessThan(2.0, (Memory("VmHWM") - before) / (double)size);
        Assert.IsLessThan(1_000_000, GC.GetAllocatedBytesForCurrentThread() - managed);

        static long Memory(string key)
        {
            // The line looks like "VmRSS:   123 kB".
            var line = File.ReadLines("/proc/self/status")
                .First(line => line.StartsWith(key, StringComparison.Ordinal));
            return 1024 * long.Parse(line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1]);
        }
    }

    internal static void AssertSame(ITransformer expected, ITransformer actual) =>
        AssertSame(Tiny.Pixels(expected, Tiny.Rows(Ml, 5)), Tiny.Pixels(actual, Tiny.Rows(Ml, 5)));

    private static void AssertSameEntries(byte[] expected, byte[] actual)
    {
        var first = new ModelZip(expected);
        var second = new ModelZip(actual);
        foreach (var entry in new[] { ModelZip.Key, ModelZip.Description, ModelZip.Weights })
            Assert.AreSequenceEqual(first[entry], second[entry]);
    }

    private static void AssertSame(float[][] expected, float[][] actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (var i = 0; i < expected.Length; i++) Assert.AreSequenceEqual(expected[i], actual[i]);
    }
}
