using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Model;

/// <summary>Files of format 1.2 keep their meaning; ModelFileTests has one of format 1.1.</summary>
[TestClass]
public sealed class OlderFormatTests
{
    private static readonly MLContext Ml = new(seed: 1);

    private static readonly ModelDescription Described = Tiny.Description with
    {
        Timesteps = 100,
        GeneratesUnlabelled = true,
        ScalesVariances = true,
        Sampling = new() { Sampler = Sampler.Ddim, Steps = 3, GuidanceScale = 1, Precision = Precision.Float32 },
    };

    [TestMethod]
    public void Parse_Format12_HasItsOldMeaning()
    {
        var description = ModelDescription.Parse(Encoding.UTF8.GetBytes(OldJson(Described)));

        Assert.AreEqual("Seed", description.Sampling.SeedColumnName);
        Assert.AreEqual(MissingLabelBehavior.Unconditional, description.Sampling.MissingLabels);
        Assert.AreEqual(3, description.Sampling.Steps);
        Assert.AreEqual(7ul, description.NoiseSeed);

        // The product of 1 - beta for 100 variances from 0.0001 to 0.02.
        Assert.AreEqual(0.363563248, description.CreateSchedule().AlphaBar(100), 1e-9);
    }

    [TestMethod]
    public void Parse_Format12WithoutLabelDropout_TakesAMissingLabelForAnError()
    {
        var json = OldJson(Described with { GeneratesUnlabelled = false });
        var description = ModelDescription.Parse(Encoding.UTF8.GetBytes(json));
        Assert.AreEqual(MissingLabelBehavior.Error, description.Sampling.MissingLabels);
    }

    [TestMethod]
    public void Parse_Format13_HasTheNewMeaning()
    {
        var description = ModelDescription.Parse(Described.ToJson());
        Assert.AreEqual(MissingLabelBehavior.Error, description.Sampling.MissingLabels);
        Assert.AreEqual(2.039008975564e-5, description.CreateSchedule().AlphaBar(100), 1e-17);

        // cos^2((0.5 + 0.008) / 1.008 pi / 2) / cos^2(0.008 / 1.008 pi / 2)
        var cosine = ModelDescription.Parse((Described with { Schedule = BetaSchedule.Cosine }).ToJson());
        Assert.AreEqual(0.4938435904, cosine.CreateSchedule().AlphaBar(50), 1e-9);

        var json = JsonNode.Parse(Described.ToJson())!;
        json["SeedColumnName"] = "Seed";
        Throws.Saying<FormatException>(
            () => ModelDescription.Parse(Encoding.UTF8.GetBytes(json.ToJsonString())),
            "SeedColumnName must be in Sampling from format 1.3 on");
    }

    [TestMethod]
    public void Load_Format12_GeneratesWithoutALabelAndBySeedColumnAndSavesThatInTheNewFormat()
    {
        using var original = Tiny.Create(Ml, Described);
        var zip = new ModelZip(ModelZip.Save(Ml, original));
        zip.Forge(() => zip[ModelZip.Description] = Encoding.UTF8.GetBytes(OldJson(Described)));
        foreach (var at in new[] { 0x48, 0x4C })
            BinaryPrimitives.WriteUInt32LittleEndian(zip[ModelZip.Key].AsSpan(at), 0x00010002);

        // The key 3 is none of the two: it is missing.
        var rows = Ml.Data.LoadFromEnumerable<Tiny.SeededRow>(
            [new() { Label = 0, Seed = 4 }, new() { Label = 2, Seed = 5 }, new() { Label = 0, Seed = 4 }]);
        using var loaded = (ConditionalDiffusionTransformer)ModelZip.Load(Ml, zip.ToBytes());
        var images = loaded.Transform(rows).GetColumn<MLImage>("GeneratedImage").ToArray();
        Tiny.AreClose(Bytes(loaded.Generate(["cat", null, "cat"], [4, 5, 4])), Bytes(images));

        using var again = (ConditionalDiffusionTransformer)ModelZip.Load(Ml, ModelZip.Save(Ml, loaded));
        Assert.AreEqual(loaded.Sampling, again.Sampling);
        Tiny.AreClose(Bytes(images), Tiny.ImageBytes(again.Transform(rows)));
    }

    private static byte[][] Bytes(IEnumerable<MLImage> images) => [.. images.Select(image => image.Pixels.ToArray())];

    /// <summary>Returns the JSON that the library wrote in format 1.2, with a seed column.</summary>
    private static string OldJson(ModelDescription description)
    {
        var json = JsonNode.Parse(description.ToJson())!.AsObject();
        var sampling = json["Sampling"]!.AsObject();
        foreach (var name in new[] { "Format", "ScalesVariances" }) Assert.IsTrue(json.Remove(name), name);
        foreach (var name in new[] { "Seed", "SeedColumnName", "MissingLabels" })
            Assert.IsTrue(sampling.Remove(name), name);

        json["SeedColumnName"] = "Seed";
        return json.ToJsonString();
    }
}
