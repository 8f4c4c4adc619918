using System.Security.Cryptography;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// The transformer's part of an ML.NET model file: beside the block that ML.NET makes it write, an entry with the
/// <see cref="ModelDescription"/> as JSON and one with the weights as a safetensors stream. The block holds the SHA-256 of both, one after
/// the other, since ML.NET does not check the zip's own checksums.
/// </summary>
internal static class ModelFile
{
    /// <summary>What a model file names its loader by: for good, since files have it in them.</summary>
    public const string LoaderSignature = "CondDiffusionTransform";

    private const string DescriptionEntry = "description.json", WeightsEntry = "weights.safetensors";

    private const uint FormatVersion = 0x00010002; // 1.2, with sampling options; 1.1 is the first

    private static VersionInfo Version => new(
        modelSignature: "CONDDIFF",
        verWrittenCur: FormatVersion,
        verReadableCur: FormatVersion,
        verWeCanReadBack: 0x00010001,
        loaderSignature: LoaderSignature,
        loaderAssemblyName: typeof(ModelFile).Assembly.GetName().Name!); // without its version, so that later versions load older files

    public static void Save(ModelSaveContext context, ModelDescription description, ConditionalUNet network)
    {
        context.CheckAtModel();
        context.SetVersionInfo(Version);
        var json = description.ToJson();
        using var hash = SHA256.Create();
        using (var hashing = new CryptoStream(Stream.Null, hash, CryptoStreamMode.Write))
        {
            hashing.Write(json);
            network.Save(hashing);
        }
        context.Writer.Write(hash.Hash!);
        context.SaveBinaryStream(DescriptionEntry, writer => writer.Write(json));
        context.SaveBinaryStream(WeightsEntry, writer => network.Save(writer.BaseStream));
    }

    /// <summary>Reads what <see cref="Save"/> wrote. The caller owns the network.</summary>
    public static (ModelDescription Description, ConditionalUNet Network) Load(IHost host, ModelLoadContext context)
    {
        try
        {
            CheckHeader(context);
            TorchRuntime.EnsureLoaded();
            var device = TorchDevice.Choose(MLNetInternals.GpuDeviceId(host), MLNetInternals.FallbackToCpu(host));
            var hash = context.Reader.ReadBytes(SHA256.HashSizeInBytes);
            var json = ReadEntry(context, DescriptionEntry, stream =>
            {
                var bytes = new byte[stream.Length];
                stream.ReadExactly(bytes);
                return bytes;
            });
            return ReadEntry(context, WeightsEntry, stream =>
            {
                CheckHash(hash, json, stream);
                var description = ModelDescription.Parse(json);
                return (description, ConditionalUNet.Load(stream, description.Network, device));
            });
        }
        catch (Exception exception) when (exception is FormatException or InvalidDataException or EndOfStreamException)
        {
            // No inner exception: inside a chain ML.NET wraps this one, and GetBaseException() shall be the one that says what is wrong.
            throw host.ExceptDecode($"The model file cannot be read: {exception.Message}");
        }
        catch (InvalidOperationException exception)
        {
            throw host.Process(exception); // marks it as one that ML.NET reports rather than takes for a bug
        }
    }

    private static void CheckHeader(ModelLoadContext context)
    {
        var needed = context.Header.ModelVerReadable;
        if (needed > FormatVersion)
            throw new FormatException(
                $"it needs a newer CondDiffusion.MLNet, one that reads format {Text(needed)}; this one reads up to {Text(FormatVersion)}.");
        context.CheckAtModel(Version);
        // ML.NET checks this too, but only when the network is in memory.
        if (context.Header.CbModel != SHA256.HashSizeInBytes)
            throw new FormatException($"its block has {context.Header.CbModel} bytes, expected {SHA256.HashSizeInBytes}.");

        static string Text(uint version) => $"{version >> 16}.{version & 0xFFFF}";
    }

    private static T ReadEntry<T>(ModelLoadContext context, string name, Func<Stream, T> read)
    {
        var result = default(T);
        return context.TryLoadBinaryStream(name, reader => result = read(reader.BaseStream))
            ? result!
            : throw new FormatException($"its entry '{name}' is missing.");
    }

    private static void CheckHash(ReadOnlySpan<byte> expected, byte[] json, Stream weights)
    {
        using var hash = SHA256.Create();
        using (var hashing = new CryptoStream(Stream.Null, hash, CryptoStreamMode.Write))
        {
            hashing.Write(json);
            weights.CopyTo(hashing);
        }
        if (!expected.SequenceEqual(hash.Hash))
            throw new FormatException($"its entries '{DescriptionEntry}' and '{WeightsEntry}' do not have the checksum that they were saved with.");
        weights.Position = 0;
    }
}
