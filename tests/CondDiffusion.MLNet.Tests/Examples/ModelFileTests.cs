using System.IO.Compression;
using CondDiffusion.Examples;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace CondDiffusion.MLNet.Tests.Examples;

[TestClass]
public sealed class ModelFileTests
{
    /// <summary>ML.NET calls the loaders of a chain by reflection, and wraps what they throw.</summary>
    [TestMethod]
    public void Load_ChainWithDamagedWeights_SaysSoAndNamesTheFile()
    {
        using var directory = new TemporaryDirectory();
        var file = directory.File("chain.zip");
        var ml = new MLContext();
        using (var model = Tiny.Create(ml))
            ml.Model.Save(new TransformerChain<ConditionalDiffusionTransformer>(model), null, file);
        using (var zip = ZipFile.Open(file, ZipArchiveMode.Update))
        {
            var entry = zip.Entries.Single(entry => entry.Name == "weights.safetensors");
            using var stream = entry.Open();
            stream.Position = stream.Length - 3;
            var value = stream.ReadByte();
            stream.Position--;
            stream.WriteByte((byte)(value ^ 1));
        }

        Throws.Saying<FormatException>(() => ModelFile.Load(ml, file), $"'{file}' cannot be loaded", "checksum");
    }

    [TestMethod]
    public void LoadGenerator_ChainWithSeveral_SaysSoAndNamesTheFile()
    {
        using var directory = new TemporaryDirectory();
        var file = directory.File("two.zip");
        var ml = new MLContext();
        using var one = Tiny.Create(ml);
        using var two = Tiny.Create(ml, Tiny.Description with { OutputColumnName = "A", PixelsColumnName = "B" });
        ml.Model.Save(new TransformerChain<ConditionalDiffusionTransformer>(one, two), null, file);
        Throws.Saying<InvalidOperationException>(() => ModelFile.LoadGenerator(ml, file), $"'{file}'", "several");
    }

    /// <summary>Not everything that a loader throws is ML.NET's own.</summary>
    [TestMethod]
    public void Load_LoaderThatThrows_SaysWhatAndNamesTheFile()
    {
        using var directory = new TemporaryDirectory();
        var file = directory.File("mapping.zip");
        var ml = new MLContext();
        ml.ComponentCatalog.RegisterAssembly(typeof(ModelFileTests).Assembly);
        var rows = ml.Data.LoadFromEnumerable([new Tiny.NameRow()]);
        var mapping = ml.Transforms.CustomMapping<Tiny.NameRow, Tiny.NameRow>((_, _) => { }, BadMapping.Name);
        ml.Model.Save(mapping.Fit(rows), rows.Schema, file);
        Throws.Saying<FormatException>(
            () => ModelFile.Load(ml, file), $"'{file}' cannot be loaded", "This mapping is gone.");

        File.WriteAllText(file, "This is no model.");
        Throws.Saying<FormatException>(() => ModelFile.Load(ml, file), $"'{file}' cannot be loaded");
    }

    [CustomMappingFactoryAttribute(Name)]
    private sealed class BadMapping : CustomMappingFactory<Tiny.NameRow, Tiny.NameRow>
    {
        public const string Name = "BadMapping";

        public override Action<Tiny.NameRow, Tiny.NameRow> GetMapping() =>
            throw new NotSupportedException("This mapping is gone.");
    }
}
