using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Pipeline;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Pipeline;

[TestClass]
public sealed class ModelFileTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void Load_SavedSolo_IsTheTransformerAndDrawsTheSame()
    {
        using var model = TinyModel.Create(Ml);
        using var loaded = (ConditionalDiffusionTransformer)ModelZip.Load(new(seed: 99), ModelZip.Save(Ml, model));
        AssertSame(model, loaded);
        Assert.AreSequenceEqual(model.LabelValues!, loaded.LabelValues!);
        Assert.AreEqual(model.Timesteps, loaded.Timesteps);
    }

    [TestMethod]
    public void Load_SavedInChainsByPath_DrawsTheSame()
    {
        using var directory = new TemporaryDirectory();
        using var model = TinyModel.Create(Ml);
        var copy = Ml.Transforms.CopyColumns("Again", "Label").Fit(TinyModel.Rows(Ml));
        var inner = new TransformerChain<ITransformer>(copy, model);
        using var outer = new TransformerChain<ITransformer>(copy, inner);
        Ml.Model.Save(outer, TinyModel.Rows(Ml).Schema, directory.File("model.zip"));

        var loaded = new MLContext().Model.Load(directory.File("model.zip"), out var schema);
        using var disposable = (IDisposable)loaded;
        AssertSame(model, loaded);
        Assert.AreEqual("Label", schema.Single().Name);
    }

    [TestMethod]
    public void Load_SavedWithDataLoader_BringsTheLoaderAndDrawsTheSame()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.File("rows.tsv"), "0\n1\n0\n");
        var loader = Ml.Data.CreateTextLoader([new("Label", DataKind.UInt32, [new TextLoader.Range(0)], new KeyCount(2))]);
        using var model = TinyModel.Create(Ml);
        Ml.Model.Save(model, loader, directory.File("model.zip"));

        var ml = new MLContext();
        var loaded = ml.Model.LoadWithDataLoader(directory.File("model.zip"), out var loadedLoader);
        using var disposable = (IDisposable)loaded;
        var rows = loadedLoader.Load(new MultiFileSource(directory.File("rows.tsv")));
        AssertSame(TinyModel.Pixels(model, TinyModel.Rows(Ml, 3)), TinyModel.Pixels(loaded, rows));
    }

    [TestMethod]
    public void Load_InAPluginLoadContext_FindsThePluginsOwnLibrary()
    {
        using var model = TinyModel.Create(Ml);
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
    public void Load_FileOfFormatVersionOne_DrawsItsPictures()
    {
        // ModelZip.Save(Ml, TinyModel.Create(Ml)) of that version's code; in another process, so that this tests both.
        const string Expected =
            "FFACB671660ABFAFFF5616FE6DFF00FFA65AF1F794FFFF6491DC7B7AFF000E29" +
            "5B00C9E4009BC1FF8A007D688EEC0F16321300484700765152AB9C56ECFFFF5D";
        using var file = typeof(ModelFileTests).Assembly.GetManifestResourceStream("model-v1.zip")!;
        var model = new MLContext().Model.Load(file, out _);
        using var disposable = (IDisposable)model;
        // What it does not say is what its library did.
        Assert.AreEqual(
            new() { Sampler = Sampler.Ancestral, Steps = 4, Spacing = StepSpacing.Uniform, ClipPixels = false, Precision = Precision.Float32, GuidanceScale = 1 },
            ((ConditionalDiffusionTransformer)model).Sampling);
        var image = model.Transform(TinyModel.Rows(Ml)).GetColumn<MLImage>("GeneratedImage").Last();
        var levels = image.Pixels.ToArray().Where((_, i) => i % 4 == 0).ToArray();

        foreach (var (expected, level) in Convert.FromHexString(Expected).Zip(levels)) Assert.AreEqual(expected, level, 1.0, Convert.ToHexString(levels));
    }

    [TestMethod]
    public void Save_Twice_GivesTheSameEntries()
    {
        using var model = TinyModel.Create(Ml);
        var (first, second) = (new ModelZip(ModelZip.Save(Ml, model)), new ModelZip(ModelZip.Save(Ml, model)));
        foreach (var entry in new[] { ModelZip.Key, ModelZip.Description, ModelZip.Weights }) Assert.AreSequenceEqual(first[entry], second[entry]);
    }

    [TestMethod]
    public void Save_LoadedModel_GivesTheSameEntries()
    {
        using var model = TinyModel.Create(Ml);
        var file = ModelZip.Save(Ml, model);
        using var loaded = (ConditionalDiffusionTransformer)ModelZip.Load(Ml, file);
        var (first, second) = (new ModelZip(file), new ModelZip(ModelZip.Save(Ml, loaded)));
        foreach (var entry in new[] { ModelZip.Key, ModelZip.Description, ModelZip.Weights }) Assert.AreSequenceEqual(first[entry], second[entry]);
    }

    [TestMethod]
    public void Load_InsideADisposeScope_OutlivesIt()
    {
        using var model = TinyModel.Create(Ml);
        var file = ModelZip.Save(Ml, model);
        ITransformer loaded;
        using (NewDisposeScope()) loaded = ModelZip.Load(Ml, file);
        using var disposable = (IDisposable)loaded;
        AssertSame(model, loaded);
    }

    [TestMethod]
    public void Load_LargeModel_NeedsLittleMoreMemoryThanItsWeights()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("Only Linux tells a process its peak memory, and forgets it on demand.");
        using var directory = new TemporaryDirectory();
        var description = TinyModel.Description with { Network = TinyModel.Description.Network with { Widths = [108, 216, 432] } };
        using (var model = new ConditionalDiffusionTransformer(Ml, description, ConditionalUNet.Create(description.Network, CPU, seed: 1)))
            Ml.Model.Save(model, null, directory.File("model.zip"));
        var size = sizeof(float) * description.Network.Tensors().Sum(tensor => tensor.Length); // 24 MB

        GC.Collect();
        GC.WaitForPendingFinalizers();
        File.WriteAllText("/proc/self/clear_refs", "5");
        var (before, managed) = (Memory("VmRSS"), GC.GetAllocatedBytesForCurrentThread());
        using var loaded = (IDisposable)Ml.Model.Load(directory.File("model.zip"), out _);
        Assert.IsLessThan(2.0, (Memory("VmHWM") - before) / (double)size);
        Assert.IsLessThan(1_000_000, GC.GetAllocatedBytesForCurrentThread() - managed);

        static long Memory(string key)
        {
            var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(key, StringComparison.Ordinal)); // "VmRSS:   123 kB"
            return 1024 * long.Parse(line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1]);
        }
    }

    internal static void AssertSame(ITransformer expected, ITransformer actual) =>
        AssertSame(TinyModel.Pixels(expected, TinyModel.Rows(Ml, 5)), TinyModel.Pixels(actual, TinyModel.Rows(Ml, 5)));

    private static void AssertSame(float[][] expected, float[][] actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (var i = 0; i < expected.Length; i++) Assert.AreSequenceEqual(expected[i], actual[i]);
    }
}
