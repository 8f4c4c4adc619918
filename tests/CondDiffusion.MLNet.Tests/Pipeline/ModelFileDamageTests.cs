using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Pipeline;

/// <summary>
/// Tests files that cannot be read. Whatever ML.NET throws, its base exception is a FormatException that says what is
/// wrong, and no tensor leaks.
/// </summary>
[TestClass]
public sealed class ModelFileDamageTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void Load_NotAWholeZip_SaysSo()
    {
        var file = Save(chain: true);
        foreach (var bytes in new[] { [], new byte[5000], file[..(file.Length / 2)], file[..^100] })
        {
            var e = Assert.ThrowsExactly<FormatException>(() => ModelZip.Load(Ml, bytes));
            Assert.Contains("zip archive", e.Message);
        }
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Load_EntryMissing_NamesIt(bool chain)
    {
        AssertRefused(Damage(zip => zip.Remove(ModelZip.Weights), chain), "entry 'weights.safetensors' is missing");
        AssertRefused(Damage(zip => zip.Remove(ModelZip.Description), chain), "entry 'description.json' is missing");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Load_EntryChanged_IsFoundByTheChecksum(bool chain)
    {
        foreach (var entry in new[] { ModelZip.Weights, ModelZip.Description })
        {
            void Refuses(Func<byte[], byte[]> change) =>
                AssertRefused(Damage(zip => zip[entry] = change(zip[entry]), chain), "checksum");

            Refuses(bytes => bytes[..(bytes.Length / 2)]);
            Refuses(_ => []);
            Refuses(bytes => new byte[bytes.Length]);
            Refuses(bytes => [.. bytes, 0]);
            foreach (var at in new[] { 0, 100, 1 })
            {
                Refuses(bytes =>
                {
                    bytes[^(at + 1)] ^= 1;
                    return bytes;
                });
            }
        }
    }

    [TestMethod]
    public void Load_AnyByteOfTheFileFlipped_IsRefusedOrHarmless()
    {
        using var model = Tiny.Create(Ml);
        var file = ModelZip.Save(Ml, model);
        ModelFileTests.AssertSame(model, model); // creates all of the tensors that generation uses
        var before = TensorAssert.Count();
        for (var at = 0; at < file.Length; at += 13)
        {
            var damaged = (byte[])file.Clone();
            damaged[at] ^= 0x10;
            try
            {
                using var loaded = (IDisposable)ModelZip.Load(Ml, damaged);
                ModelFileTests.AssertSame(model, (ITransformer)loaded); // the byte was part of a date, for example
            }
            catch (Exception exception) when (exception is not UnitTestAssertException)
            {
                // If ML.NET itself cannot find or read an entry, the exception is one of its own.
                var isExpected = exception.GetBaseException()
                    is FormatException or InvalidDataException or IOException or InvalidOperationException;
                if (!isExpected) Assert.Fail($"byte {at}: {exception}");
            }
        }
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    [TestMethod]
    public void Load_AnyByteOfTheKeyFlipped_IsRefusedOrHarmless()
    {
        using var model = Tiny.Create(Ml);
        var file = ModelZip.Save(Ml, model);
        ModelFileTests.AssertSame(model, model); // creates all of the tensors that generation uses
        var before = TensorAssert.Count();
        var refused = 0;
        var length = new ModelZip(file)[ModelZip.Key].Length;
        for (var at = 0; at < length; at += 3)
        {
            var zip = new ModelZip(file);
            zip[ModelZip.Key][at] ^= 0x11;
            try
            {
                using var loaded = (IDisposable)ModelZip.Load(Ml, zip.ToBytes());
                ModelFileTests.AssertSame(model, (ITransformer)loaded); // the byte was part of an unused field
            }
            catch (Exception exception) when (exception is not UnitTestAssertException)
            {
                refused++;

                // The key also contains the library's name. With a wrong name, .NET does not find the library.
                if (exception.GetBaseException() is not (FormatException or IOException))
                    Assert.Fail($"byte {at}: {exception}");
            }
        }
        Assert.IsGreaterThan(length / 6, refused);
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    [TestMethod]
    public void Load_NewerFormat_SaysWhatItNeeds()
    {
        static void SetVersions(ModelZip zip, uint written, uint readable)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(zip[ModelZip.Key].AsSpan(0x48), written);
            BinaryPrimitives.WriteUInt32LittleEndian(zip[ModelZip.Key].AsSpan(0x4C), readable);
        }

        AssertRefused(
            Damage(zip => SetVersions(zip, 0x00010009, 0x00010009), chain: true),
            "needs a newer CondDiffusion.MLNet", "format 1.9", "up to 1.6");
        using var forward = (IDisposable)ModelZip.Load(Ml, Damage(zip => SetVersions(zip, 0x00010009, 0x00010001)));
        AssertRefused(Damage(zip => SetVersions(zip, 1, 1)), "too old");
    }

    [TestMethod]
    [DataRow("Widths", "[2,2,3]", "tensor 'bot1.convs.0.weight' has shape [2, 2, 3, 3], expected [3, 2, 3, 3]")]
    [DataRow("Widths", "[16777216,16777216,16777216]", "Network.Parameters must be at most 536870911")]
    [DataRow("Widths", "[2,2]", "Network.Widths must be 3 numbers from 1 to 16777216, but is [2, 2]")]
    [DataRow("Widths", "[2,2,2000000000]", "Network.Widths must be 3 numbers from 1 to 16777216")]
    [DataRow("Widths", "null", "Widths")]
    [DataRow("EmbeddingSize", "6", "expected [1, 6]")]
    [DataRow("EmbeddingSize", "-4", "Network.EmbeddingSize must be from 1 to 16777216, but is -4")]
    [DataRow("Labels", "3", "Labels.Count must be 3, as in Network, but is 2")]
    [DataRow("Channels", "3", "expected [2, 3, 3, 3]")]
    [DataRow("Height", "10", "Network.Height must be a positive multiple of 4, but is 10")]
    [DataRow(
        "Height", "16777216",
        "Network.Channels x Height x Width must be at most 4194304 values, but is 1 x 16777216 x 8")]
    [DataRow("Height", "\"high\"", "Network.Height")]
    [DataRow("Unknown", "1", "Unknown")]
    public void Load_DescriptionOfAnotherNetwork_IsRefusedBeforeAllocating(
        string property, string value, string message)
    {
        var file = Damage(zip => Edit(zip, json => json["Network"]![property] = JsonNode.Parse(value)));
        var before = GC.GetAllocatedBytesForCurrentThread();
        AssertRefused(file, message);
        Assert.IsLessThan(1_000_000, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    [DataRow("Network", "null", "Network")]
    [DataRow("Labels", "null", "Labels")]
    [DataRow(
        "Labels", "{\"Count\":2,\"Values\":[\"cat\"]}",
        "Labels.Values must be 2 texts, one for each label, but is 1")]
    [DataRow(
        "Labels", "{\"Count\":2,\"Values\":[\"cat\",null]}",
        "Labels.Values must be a text for each label, but is null for")]
    [DataRow("Timesteps", "0", "Timesteps must be from 1 to 10000, but is 0")]
    [DataRow("Timesteps", "2000000000", "Timesteps must be from 1 to 10000, but is 2000000000")]
    [DataRow("BatchSize", "0", "BatchSize must be from 1 to 65536, but is 0")]
    [DataRow("LabelColumnName", "null", "LabelColumnName")]
    [DataRow("OutputColumnName", "\"\"", "OutputColumnName must be a column name, but is \"\"")]
    [DataRow(
        "OutputColumnName", "\"GeneratedPixels\"", "PixelsColumnName must be another column than OutputColumnName")]
    [DataRow("Seed", "-1", "Seed")]
    [DataRow("Sampling", "null", "Sampling")]
    [DataRow("Sampling", "{\"Sampler\":\"Magic\"}", "Sampling.Sampler")]
    [DataRow("Sampling", "{\"Steps\":0}", "Sampling.Steps must be from 1 to 10000, but is 0")]
    [DataRow("Sampling", "{\"Steps\":1,\"GuidanceIntervalHigh\":1,\"GuidanceScale\":2}", "LabelDropout")]
    [DataRow("Script", "\"rm\"", "Script")]
    public void Load_ImpossibleDescription_SaysWhat(string property, string value, string message) =>
        AssertRefused(Damage(zip => Edit(zip, json => json[property] = JsonNode.Parse(value))), message);

    [TestMethod]
    [DataRow("")]
    [DataRow("null")]
    [DataRow("[]")]
    [DataRow("{}")]
    [DataRow("{\"Network\":")]
    public void Load_DescriptionNotJson_SaysSo(string text) => AssertRefused(
        Damage(zip => zip.Forge(() => zip[ModelZip.Description] = Encoding.UTF8.GetBytes(text))), "description");

    private static void Edit(ModelZip zip, Action<JsonNode> edit)
    {
        var json = JsonNode.Parse(zip[ModelZip.Description])!;
        edit(json);
        zip.Forge(() => zip[ModelZip.Description] = Encoding.UTF8.GetBytes(json.ToJsonString()));
    }

    private static byte[] Damage(Action<ModelZip> damage, bool chain = false)
    {
        var zip = new ModelZip(Save(chain));
        damage(zip);
        return zip.ToBytes();
    }

    private static byte[] Save(bool chain)
    {
        using var model = Tiny.Create(Ml);
        if (!chain) return ModelZip.Save(Ml, model);

        var copy = Ml.Transforms.CopyColumns("Again", "Label").Fit(Tiny.Rows(Ml));
        return ModelZip.Save(Ml, new TransformerChain<ITransformer>(copy, model));
    }

    private static void AssertRefused(byte[] file, params string[] parts)
    {
        var before = TensorAssert.Count();
        var exception = Assert.Throws<Exception>(() => ModelZip.Load(Ml, file)).GetBaseException();
        Assert.IsInstanceOfType<FormatException>(exception);
        foreach (var part in parts) Assert.Contains(part, exception.Message);
        Assert.AreEqual(before, Tensor.TotalCount);
    }
}
