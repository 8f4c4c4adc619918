using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks.Mutations;

/// <summary>Makes damaged and forged model files of two intact ones: of a tiny model, and of a chain with it.</summary>
internal sealed class ModelMutator
{
    /// <summary>
    /// Values of the right type for each number and name of a description: most are possible, some are expensive.
    /// </summary>
    private static readonly (string Path, string[] Values)[] Choices =
    [
        ("Network.Height", ["4", "8", "12", "60", "100", "4096", "16777216"]),
        ("Network.Width", ["4", "8", "12", "60", "100", "4096", "16777216"]),
        ("Schedule", ["\"Linear\"", "\"Cosine\""]),
        ("Timesteps", ["1", "2", "3", "10", "1000", "10000", "100000", "1000000", "16777216", "2147483647"]),
        ("Prediction", ["\"Noise\"", "\"Velocity\""]),
        ("DrawsUnlabelled", ["false", "true"]),
        ("Labels.Values", ["null", "[\"1\",\"1\"]", "[\"-0\",\"2147483647\"]", "[\"\",\"2147483648\"]"]),
        ("Labels.Kind", ["\"String\"", "\"Double\"", "\"Boolean\"", "\"Single\"", "\"Byte\"", "\"DateTime\""]),
        ("LabelColumnName", ["\"GeneratedImage\"", "\"x\""]),
        ("PixelsColumnName", ["null", "\"Label\"", "\"x\""]),
        ("Format", ["0", "2", "3", "4", "5", "6"]),
        ("ScalesVariances", ["false", "true"]),
        ("Sampling.SeedColumnName", ["null", "\"Label\"", "\"x\""]),
        ("Sampling.Seed", ["null", "0", "-9223372036854775808"]),
        ("Sampling.MissingLabels", ["\"Error\"", "\"Unconditional\""]),
        ("Sampling.Sampler", ["\"DpmSolver\"", "\"Ddim\"", "\"Ancestral\""]),
        ("Sampling.Steps", ["1", "2", "3", "4", "1000", "100000", "16777216", "2147483647"]),
        ("Sampling.Eta", ["0", "0.5", "1", "1e-300"]),
        ("Sampling.Spacing", ["\"Uniform\"", "\"Trailing\"", "\"LogSnr\"", "\"Focused\""]),
        ("Sampling.ClipPixels", ["false", "true"]),
        ("Sampling.Precision", ["\"Auto\"", "\"Float32\"", "\"BFloat16\""]),
        ("Sampling.GuidanceScale", ["null", "0", "1", "7.5", "1e38", "1e300"]),
        ("Sampling.GuidanceIntervalLow", ["0", "0.5", "0.999999"]),
        ("Sampling.GuidanceIntervalHigh", ["1e-9", "0.5", "1"]),
        ("Sampling.GuidanceSigmaLow", ["0", "0.5", "1e300"]),
        ("Sampling.GuidanceSigmaHigh", ["null", "0.5", "1e-9"]),
        ("Sampling.GuidanceColumnName", ["null", "\"Label\"", "\"x\""]),
        ("BatchSize", ["null", "1", "1000", "16777216"]),
        ("Seed", ["0", "18446744073709551615"]),
    ];

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
            case 4 or 5:
                ChangeValues(random, zip[ModelZip.Weights]);
                break;
            case 6 or 7 or 8:
                zip[ModelZip.Description] = Choose(random, zip[ModelZip.Description]);
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

    private static byte[] Choose(Random random, byte[] json)
    {
        var (path, values) = Choices[random.Next(Choices.Length)];
        var names = path.Split('.');
        try
        {
            var owner = JsonNode.Parse(json);
            foreach (var name in names[..^1]) owner = owner?[name];
            if (owner is not JsonObject) return json;

            owner[names[^1]] = JsonNode.Parse(values[random.Next(values.Length)]);
            return Encoding.UTF8.GetBytes(owner.Root.ToJsonString());
        }
        catch (Exception exception) when (IsNotJson(exception))
        {
            return json;
        }
    }

    private static byte[] ChangeJson(Random random, byte[] json)
    {
        try
        {
            return Encoding.UTF8.GetBytes(JsonMutator.Mutate(random, Encoding.UTF8.GetString(json)));
        }
        catch (Exception exception) when (IsNotJson(exception))
        {
            return ByteMutator.Mutate(random, json);
        }
    }

    /// <summary>Whether an exception says that an earlier change has made a text other than JSON.</summary>
    private static bool IsNotJson(Exception exception) =>
        exception is JsonException or ArgumentException or InvalidOperationException;

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
