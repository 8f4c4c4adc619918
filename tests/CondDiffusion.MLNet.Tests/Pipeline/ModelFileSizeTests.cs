using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
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
        (ModelZip.Load(Ml, file) as IDisposable)?.Dispose(); // what ML.NET allocates for a process's first model

        BinaryPrimitives.WriteUInt32LittleEndian(UnpackedSize(file, entry), 3_000_000_000);
        AssertRefused(file, $"its entry '{entry}' would unpack to 3000000000 bytes");
    }

    /// <summary>
    /// Weights and description may take 240 MB more than their entries; a byte of the description counts four times.
    /// </summary>
    [TestMethod]
    [DataRow(ModelZip.Description, 4)]
    [DataRow(ModelZip.Weights, 1)]
    public void Load_EntryThatClaimsMoreThanIsAllowed_IsRefusedFromTheFirstByteOn(string entry, int bytes)
    {
        var file = Save(chain: false).ToBytes();
        var claimed = UnpackedSize(file, entry);
        var packed = BinaryPrimitives.ReadUInt32LittleEndian(PackedSize(file, entry));
        var most = ((240u << 20) + packed) / (uint)bytes;

        BinaryPrimitives.WriteUInt32LittleEndian(claimed, most + 1);
        AssertRefused(file, $"would unpack to {most + 1} bytes from {packed}, expected at most {most}.");

        BinaryPrimitives.WriteUInt32LittleEndian(claimed, most);
        try
        {
            (ModelZip.Load(Ml, file) as IDisposable)?.Dispose();
        }
        catch (Exception exception)
        {
            Assert.DoesNotContain("would unpack", exception.GetBaseException().Message);
        }
    }

    [TestMethod]
    [DataRow(ModelZip.Description, "would unpack to")]
    [DataRow(ModelZip.Weights, "bytes, but the stream has")]
    public void Load_EntryOfNothingButSpaces_TakesNoMemoryForThem(string entry, string message)
    {
        var zip = Save(chain: false);
        var spaces = new byte[70 << 20];
        spaces.AsSpan().Fill((byte)' ');
        zip.Forge(() => zip[entry] = [.. zip[entry], .. spaces]);
        var file = zip.ToBytes();
        Assert.IsLessThan(1_000_000, file.Length);
        AssertRefused(file, message);

        // A file that claims to be small is not unpacked any further than it claims.
        BinaryPrimitives.WriteUInt32LittleEndian(UnpackedSize(file, entry), 5000);
        AssertRefused(file, "checksum");
    }

    [TestMethod]
    public void Load_DescriptionOfMillionsOfTexts_IsRefusedBeforeTheyAreMade()
    {
        var zip = Save(chain: false);
        AddLabels(zip, 3_000_000);

        // The entry itself, once, is all that is read.
        AssertRefused(zip.ToBytes(), "might take", mostBytes: zip[ModelZip.Description].Length + 1_000_000);
    }

    /// <summary>
    /// Weights that are once rounded to float16 lose two fifths of their size in a zip. These are 72 MB of zeros.
    /// </summary>
    [TestMethod]
    public void Load_WeightsThatPackWell_CountTogetherWithTheDescription()
    {
        var description = Tiny.Description with
        {
            Network = Tiny.Description.Network with { Labels = 4_500_000 },
            Labels = new(4_500_000, null),
        };
        var network = CondDiffusion.MLNet.Network.ConditionalUNet.Create(
            description.Network, CPU, entry => zeros(entry.Shape, ScalarType.Float32, CPU));
        byte[] file;
        using (var model = new ConditionalDiffusionTransformer(Ml, description, network))
            file = ModelZip.Save(Ml, model);

        Assert.IsLessThan(1_000_000, file.Length);
        using (var loaded = (IDisposable)ModelZip.Load(Ml, file)) Assert.IsNotNull(loaded);

        // Two million texts count 220 MB.
        var zip = new ModelZip(file);
        AddLabels(zip, 2_000_000);
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
            Ml, Tiny.Description with { Labels = new(2, ["cat", new string('x', 61 << 20)]) });
        var exception = Assert.Throws<Exception>(() => ModelZip.Save(Ml, model)).GetBaseException();
        Assert.IsInstanceOfType<InvalidOperationException>(exception);
        Assert.Contains("could not be loaded again", exception.Message);
    }

    [TestMethod]
    public void Fit_LabelsThatNoFileHolds_SaysSoBeforeAnImageIsRead()
    {
        var rows = Ml.Data.LoadFromEnumerable<UnreadImage>(
            [new() { Label = "cat" }, new() { Label = new string('x', 61 << 20) }]);
        var keyed = Ml.Transforms.Conversion.MapValueToKey("Label").Fit(rows).Transform(rows);
        using var teacher = Tiny.Create(
            Ml,
            Tiny.Description with
            {
                Prediction = PredictionTarget.Velocity,
                Labels = new(2, ["cat", new string('x', 61 << 20)]),
            });
        IEstimator<ITransformer>[] trainers =
        [
            Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options),
            Ml.ImageGeneration.Trainers.Distillation(teacher, new() { Steps = 2 }),
            Ml.MulticlassClassification.Trainers.ConvolutionalNetwork(new() { Height = 8, Width = 8 }),
        ];
        foreach (var trainer in trainers)
        {
            Throws.Saying<InvalidOperationException>(
                () => trainer.Fit(keyed), "Column 'Label' has labels whose values are too long for a model file");
        }
    }

    /// <summary>Returns the size of an unpacked entry, as the zip's directory states it.</summary>
    private static Span<byte> UnpackedSize(byte[] file, string entry) => Record(file, entry).Slice(24, sizeof(uint));

    /// <summary>Returns the size of an entry in the zip, as its directory states it.</summary>
    private static Span<byte> PackedSize(byte[] file, string entry) => Record(file, entry).Slice(20, sizeof(uint));

    /// <summary>Returns the rest of a zip from an entry's record in its directory, which is at the end.</summary>
    private static Span<byte> Record(byte[] file, string entry)
    {
        var name = file.AsSpan().LastIndexOf(Encoding.UTF8.GetBytes(entry));
        return file.AsSpan(file.AsSpan(0, name).LastIndexOf("PK\u0001\u0002"u8));
    }

    /// <summary>Adds empty texts to the values of the labels.</summary>
    private static void AddLabels(ModelZip zip, int count)
    {
        var json = Encoding.UTF8.GetString(zip[ModelZip.Description]);
        var texts = string.Concat(Enumerable.Repeat("\"\",", count));
        var changed = json.Replace("\"cat\"", $"{texts}\"cat\"", StringComparison.Ordinal)
            .Replace("\"Values\": null", $"\"Values\": [{texts[..^1]}]", StringComparison.Ordinal);
        zip.Forge(() => zip[ModelZip.Description] = Encoding.UTF8.GetBytes(changed));
    }

    private static ModelZip Save(bool chain)
    {
        using var model = Tiny.Create(Ml);
        if (!chain) return new(ModelZip.Save(Ml, model));

        var copy = Ml.Transforms.CopyColumns("Again", "Label").Fit(Tiny.Rows(Ml));
        return new(ModelZip.Save(Ml, new TransformerChain<ITransformer>(copy, model)));
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

    private sealed class UnreadImage
    {
        public string Label { get; set; } = "";

        [VectorType(1, 8, 8)]
        public float[] Pixels
        {
            get => throw new AssertFailedException("An image was read.");
            set => _ = value;
        }
    }
}
