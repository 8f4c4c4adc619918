using System.Buffers.Binary;
using System.Text;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks.Mutations;

/// <summary>Makes damaged and forged model files of two intact ones: of a tiny model, and of a chain with it.</summary>
internal sealed class ModelMutator
{
    private readonly byte[][] _files;

    public ModelMutator(MLContext ml)
    {
        var description = new ModelDescription
        {
            Network = new(Channels: 1, Height: 4, Width: 4, Labels: 2, EmbeddingSize: 2, [1, 2, 1]),
            Timesteps = 4,
            GeneratesUnlabelled = true,
            Labels = new(2, ["3", "5"], DataKind.Int32),
            LabelColumnName = "Label",
            OutputColumnName = "GeneratedImage",
            PixelsColumnName = "GeneratedPixels",
            Sampling = new() { Steps = 2, GuidanceScale = 1.5 },
            BatchSize = 3,
            Seed = 7,
        };
        using var model = new ConditionalDiffusionTransformer(
            ml, description, ConditionalUNet.Create(description.Network, CPU, seed: 1));
        var rows = ml.Data.LoadFromEnumerable(new[] { new { Label = 1u } });
        var copy = ml.Transforms.CopyColumns("Again", "Label").Fit(rows);
        _files = [ModelZip.Save(ml, model), ModelZip.Save(ml, new TransformerChain<ITransformer>(copy, model))];
    }

    /// <summary>Returns a file that follows from a number, and whether only the library's own entries differ.</summary>
    /// <param name="number">The file's number. Every second file has a checksum that fits.</param>
    public (byte[] File, bool IsForged) Create(int number)
    {
        var random = new Random(number);
        var file = _files[random.Next(3) / 2];
        if (number % 2 == 0) return (Forge(random, file), true);
        return (random.Next(3) == 0 ? ByteMutator.Mutate(random, file) : DamageEntry(random, file), false);
    }

    /// <summary>Changes the library's own entries once to three times, and corrects the checksum.</summary>
    private static byte[] Forge(Random random, byte[] file)
    {
        var zip = new ModelZip(file);
        zip.Forge(() =>
        {
            for (var times = 1 << random.Next(3); times > 0; times >>= 1) Change(random, zip);
        });
        return zip.ToBytes();
    }

    private static void Change(Random random, ModelZip zip)
    {
        switch (random.Next(10))
        {
            case 0:
                zip[ModelZip.Description] = ByteMutator.Mutate(random, zip[ModelZip.Description]);
                break;
            case 1:
                zip[ModelZip.Weights] = ByteMutator.Mutate(random, zip[ModelZip.Weights]);
                break;
            case 2 or 3:
                ChangeHeader(random, zip);
                break;
            case 4:
                ChangeValues(random, zip[ModelZip.Weights]);
                break;
            default:
                zip[ModelZip.Description] = ChangeJson(random, zip[ModelZip.Description]);
                break;
        }
    }

    /// <summary>Damages any entry, one of ML.NET's too, and leaves the checksum.</summary>
    private static byte[] DamageEntry(Random random, byte[] file)
    {
        var zip = new ModelZip(file);
        string[] entries = [ModelZip.Key, ModelZip.Key, ModelZip.Description, ModelZip.Weights];
        var entry = entries[random.Next(entries.Length)];
        zip[entry] = ByteMutator.Mutate(random, zip[entry]);
        return zip.ToBytes();
    }

    /// <summary>Changes the header of the weights, and mostly its length with it.</summary>
    private static void ChangeHeader(Random random, ModelZip zip)
    {
        var weights = zip[ModelZip.Weights];
        if (!TryFindHeader(weights, out var length)) return;

        var header = ChangeJson(random, weights[8..(8 + length)]);
        var claimed = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(claimed, random.Next(8) == 0 ? length : header.Length);
        zip[ModelZip.Weights] = [.. claimed, .. header, .. weights[(8 + length)..]];
    }

    /// <summary>Changes weights to any bits, to infinities and to values that are not numbers.</summary>
    private static void ChangeValues(Random random, byte[] weights)
    {
        if (!TryFindHeader(weights, out var length)) return;

        float[] values = [float.NaN, float.PositiveInfinity, float.MaxValue, float.Epsilon, 0, random.NextSingle()];
        var value = values[random.Next(values.Length)];
        var isEvery = random.Next(4) == 0;
        for (var at = 8 + length; at + sizeof(float) <= weights.Length; at += sizeof(float))
        {
            if (isEvery || random.Next(8) == 0)
                BinaryPrimitives.WriteSingleLittleEndian(weights.AsSpan(at), value);
        }
    }

    private static byte[] ChangeJson(Random random, byte[] json)
    {
        try
        {
            return Encoding.UTF8.GetBytes(JsonMutator.Mutate(random, Encoding.UTF8.GetString(json)));
        }
        catch (Exception exception) when (exception is System.Text.Json.JsonException or ArgumentException
            or InvalidOperationException)
        {
            return ByteMutator.Mutate(random, json); // an earlier change has made it other than JSON
        }
    }

    private static bool TryFindHeader(byte[] weights, out int length)
    {
        length = 0;
        if (weights.Length < 8) return false;

        var claimed = BinaryPrimitives.ReadUInt64LittleEndian(weights);
        if (claimed > (ulong)weights.Length - 8) return false;

        length = (int)claimed;
        return true;
    }
}
