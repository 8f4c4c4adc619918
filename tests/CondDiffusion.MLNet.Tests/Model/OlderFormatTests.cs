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
        Sampling = new()
        {
            Sampler = Sampler.Ddim,
            Steps = 3,
            Spacing = StepSpacing.LogSnr,
            GuidanceScale = 1,
            GuidanceSigmaLow = 0,
            GuidanceSigmaHigh = null,
            Precision = Precision.Float32,
        },
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

    /// <summary>The interval of guidance was in fractions of T before format 1.6.</summary>
    [TestMethod]
    [DataRow(0, 0.5)]
    [DataRow(0.25, 1)]
    [DataRow(0.3, 0.8)]
    [DataRow(0.1, 0.1001)]
    [DataRow(0, 1e-9)]
    [DataRow(0.999999, 1)]
    public void Parse_FractionsOfGuidance_GuideTheSameSteps(double low, double high)
    {
        foreach (var timesteps in new[] { 1, 4, 100, 1000 })
        {
            foreach (var kind in Enum.GetValues<BetaSchedule>())
            {
                var described = Described with { Timesteps = timesteps, Schedule = kind };
                string[] files = [Encoding.UTF8.GetString(described.ToJson()), OldJson(described)];
                foreach (var file in files.Select(json => WithFractions(json, low, high)))
                {
                    var description = ModelDescription.Parse(file);
                    AssertGuides(description, low, high);
                    AssertGuides(ModelDescription.Parse(description.ToJson()), low, high);
                }
            }
        }

        static void AssertGuides(ModelDescription description, double low, double high)
        {
            var schedule = description.CreateSchedule();
            for (var t = 1; t <= description.Timesteps; t++)
            {
                var level = Math.Sqrt((1 - schedule.AlphaBar(t)) / schedule.AlphaBar(t));
                var isGuided = t > low * description.Timesteps && t <= high * description.Timesteps;
                Assert.AreEqual(isGuided, description.Sampling.Guides(level), $"{t} of {description}");
            }
        }
    }

    [TestMethod]
    public void Parse_FractionsOfAllSteps_AreNoInterval()
    {
        var sampling = ModelDescription.Parse(OldFractions(0, 1)).Sampling;
        Assert.AreEqual((0, null), (sampling.GuidanceSigmaLow, sampling.GuidanceSigmaHigh));
        Assert.AreEqual(Described.Sampling, sampling);

        var invalid = Assert.ThrowsExactly<FormatException>(() => ModelDescription.Parse(OldFractions(0.5, 0.5)));
        Assert.Contains(
            "Sampling.GuidanceIntervalHigh must be above GuidanceIntervalLow and at most 1, but is 0.5",
            invalid.Message);

        static byte[] OldFractions(double low, double high) =>
            WithFractions(Encoding.UTF8.GetString(Described.ToJson()), low, high);
    }

    /// <summary>A model has the oldest format that can hold it, which older versions of the library read.</summary>
    [TestMethod]
    public void ToJson_IntervalOfGuidance_IsInFractionsBeforeFormat16AndInNoiseLevelsThere()
    {
        var old = Encoding.UTF8.GetString(Described.ToJson());
        Assert.Contains("\n    \"GuidanceIntervalLow\": 0,\n    \"GuidanceIntervalHigh\": 1,\n", old);
        Assert.Contains("\"Format\": 3,", old);
        Assert.DoesNotContain("Sigma", old);

        foreach (var sampling in new[]
        {
            Described.Sampling with { Spacing = StepSpacing.Focused },
            Described.Sampling with { GuidanceSigmaLow = 0.5 },
            Described.Sampling with { GuidanceSigmaHigh = 5 },
        })
        {
            var json = (Described with { Sampling = sampling }).ToJson();
            Assert.Contains("\"Format\": 6,", Encoding.UTF8.GetString(json));
            Assert.DoesNotContain("GuidanceInterval", Encoding.UTF8.GetString(json));
            Assert.AreEqual(sampling, ModelDescription.Parse(json).Sampling);
            Throws.Saying<FormatException>(
                () => ModelDescription.Parse(WithFractions(Encoding.UTF8.GetString(json), 0, 1)),
                "Sampling.GuidanceIntervalLow must be in formats before 1.6 only",
                "Sampling.GuidanceIntervalHigh must be in formats before 1.6 only");
        }
    }

    [TestMethod]
    public void ToJson_OfALoadedModel_HasTheOldestFormatThatHoldsIt()
    {
        var residual = Described with
        {
            Network = new(1, 8, 8, Labels: 2, EmbeddingSize: 4, [32]) { Architecture = NetworkArchitecture.Residual },
        };
        HasFormat(3, Encoding.UTF8.GetBytes(OldJson(Described)));
        HasFormat(4, residual.ToJson());
        HasFormat(5, (residual with { Sampling = residual.Sampling with { Spacing = StepSpacing.Angle } }).ToJson());
        HasFormat(6, (residual with { Sampling = new() }).ToJson());

        static void HasFormat(int expected, byte[] json) =>
            Assert.Contains($"\"Format\": {expected},", Encoding.UTF8.GetString(ModelDescription.Parse(json).ToJson()));
    }

    /// <summary>Files that leave the scale open are of the time when the default was 2.</summary>
    /// <param name="generatesUnlabelled">Whether the model can be guided.</param>
    /// <param name="expected">The scale.</param>
    [TestMethod]
    [DataRow(true, 2.0)]
    [DataRow(false, null)]
    public void Parse_GuidanceScaleLeftOpen_IsTwoWhereTheModelCanBeGuided(bool generatesUnlabelled, double? expected)
    {
        var json = (Described with
        {
            GeneratesUnlabelled = generatesUnlabelled,
            Sampling = Described.Sampling with { GuidanceScale = null },
        }).ToJson();

        Assert.Contains("\"GuidanceScale\": null", Encoding.UTF8.GetString(json));
        Assert.AreEqual(expected, ModelDescription.Parse(json).Sampling.GuidanceScale);
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

    private static byte[] WithFractions(string json, double low, double high)
    {
        var node = JsonNode.Parse(json)!;
        node["Sampling"]!["GuidanceIntervalLow"] = low;
        node["Sampling"]!["GuidanceIntervalHigh"] = high;
        return Encoding.UTF8.GetBytes(node.ToJsonString());
    }

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
