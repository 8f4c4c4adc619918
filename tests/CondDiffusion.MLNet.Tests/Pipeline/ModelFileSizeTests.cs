using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Pipeline;

/// <summary>Tests that the library's part of a small file takes little memory and disk space.</summary>
[TestClass]
public sealed class ModelFileSizeTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    [DataRow(ModelZip.Description, false)]
    [DataRow(ModelZip.Weights, false)]
    [DataRow(ModelZip.Weights, true)]
    public void Load_EntryThatClaimsGigabytes_IsRefusedBeforeItIsUnpacked(string entry, bool chain)
    {
        var file = Save(chain).ToBytes();
        BinaryPrimitives.WriteUInt32LittleEndian(UnpackedSize(file, entry), 3_000_000_000);
        AssertRefused(file, $"its entry '{entry}' would unpack to 3000000000 bytes");
    }

    [TestMethod]
    [DataRow(ModelZip.Description)]
    [DataRow(ModelZip.Weights)]
    public void Load_EntryOfNothingButSpaces_IsRefusedBeforeItIsUnpacked(string entry)
    {
        var zip = Save(chain: false);
        zip.Forge(() => zip[entry] = [.. zip[entry], .. Enumerable.Repeat((byte)' ', 70 << 20)]);
        var file = zip.ToBytes();
        Assert.IsLessThan(1_000_000, file.Length);
        AssertRefused(file, "would unpack to");

        // A file that claims to be small is not unpacked any further than it claims.
        BinaryPrimitives.WriteUInt32LittleEndian(UnpackedSize(file, entry), 5000);
        AssertRefused(file, "checksum");
    }

    [TestMethod]
    public void Load_DescriptionOfAMillionTexts_IsRefusedBeforeTheyAreMade()
    {
        var zip = Save(chain: false);
        var json = Encoding.UTF8.GetString(zip[ModelZip.Description]);
        var texts = string.Concat(Enumerable.Repeat("\"\",", 1_000_000));
        zip.Forge(() => zip[ModelZip.Description] =
            Encoding.UTF8.GetBytes(json.Replace("\"cat\"", $"{texts}\"cat\"", StringComparison.Ordinal)));

        // The entry itself, once, is all that is read.
        AssertRefused(zip.ToBytes(), "might take", mostBytes: zip[ModelZip.Description].Length + 1_000_000);
    }

    [TestMethod]
    public void Load_ModelOfAHundredThousandLabels_HasThem()
    {
        string[] labels =
            [.. Enumerable.Range(1, 100_000).Select(i => $"label number {i.ToString(CultureInfo.InvariantCulture)}")];
        var description = Tiny.Description with
        {
            Network = Tiny.Description.Network with { Labels = labels.Length },
            Labels = new(labels.Length, labels),
        };
        var network = CondDiffusion.MLNet.Network.ConditionalUNet.Create(description.Network, CPU, seed: 1);
        using var model = new ConditionalDiffusionTransformer(Ml, description, network);

        using var loaded = (ConditionalDiffusionTransformer)ModelZip.Load(Ml, ModelZip.Save(Ml, model));
        Assert.AreSequenceEqual(labels, loaded.LabelValues!);
    }

    [TestMethod]
    public void Save_LabelsThatCouldNotBeLoaded_SaysSo()
    {
        using var model = Tiny.Create(
            Ml, Tiny.Description with { Labels = new(2, ["cat", new string('x', 17 << 20)]) });
        var exception = Assert.Throws<Exception>(() => ModelZip.Save(Ml, model)).GetBaseException();
        Assert.IsInstanceOfType<InvalidOperationException>(exception);
        Assert.Contains("could not be loaded again", exception.Message);
    }

    /// <summary>Returns the size of an unpacked entry, as the zip's directory states it.</summary>
    private static Span<byte> UnpackedSize(byte[] file, string entry)
    {
        // The directory is at the end of the file. A record has the size at 24, before the name.
        var name = file.AsSpan().LastIndexOf(Encoding.UTF8.GetBytes(entry));
        var record = file.AsSpan(0, name).LastIndexOf("PK\u0001\u0002"u8);
        return file.AsSpan(record + 24, sizeof(uint));
    }

    private static ModelZip Save(bool chain)
    {
        using var model = Tiny.Create(Ml);
        if (!chain) return new(ModelZip.Save(Ml, model));

        var copy = Ml.Transforms.CopyColumns("Again", "Label").Fit(Tiny.Rows(Ml));
        return new(ModelZip.Save(Ml, new Microsoft.ML.Data.TransformerChain<ITransformer>(copy, model)));
    }

    private static void AssertRefused(byte[] file, string message, long mostBytes = 1_000_000)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var exception = Assert.Throws<Exception>(() => ModelZip.Load(Ml, file)).GetBaseException();
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.IsInstanceOfType<FormatException>(exception);
        Assert.Contains(message, exception.Message);
        Assert.IsLessThan(mostBytes, allocated);
    }
}
