using System.Security.Cryptography;
using System.Text.Json;
using CondDiffusion.MLNet;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Runtime;

[assembly: LoadableClass(
    typeof(ConditionalDiffusionTransformer), typeof(ModelFile), null, typeof(SignatureLoadModel), "Conditional diffusion image generator",
    ModelFile.LoaderSignature)]

namespace CondDiffusion.MLNet;

/// <summary>
/// The transformer's block in an ML.NET model file: the <see cref="ModelDescription"/> as JSON, the SHA-256 of the weights (ML.NET does not
/// check the zip's own checksum), and in an entry beside them the weights as a safetensors stream.
/// </summary>
internal static class ModelFile
{
    /// <summary>What a model file names its loader by: for good, since files have it in them.</summary>
    public const string LoaderSignature = "CondDiffusionTransform";

    private const string WeightsEntry = "weights.safetensors";

    // 0x00010001: the first.
    private static VersionInfo Version => new(
        modelSignature: "CONDDIFF",
        verWrittenCur: 0x00010001,
        verReadableCur: 0x00010001,
        verWeCanReadBack: 0x00010001,
        loaderSignature: LoaderSignature,
        loaderAssemblyName: typeof(ModelFile).Assembly.GetName().Name!); // without its version, so that later versions load older files

    public static void Save(ModelSaveContext context, ModelDescription description, ConditionalUNet network)
    {
        context.CheckAtModel();
        context.SetVersionInfo(Version);
        context.SaveNonEmptyString(JsonSerializer.Serialize(description, ModelJson.Default.ModelDescription));
        using var hash = SHA256.Create();
        using (var hashing = new CryptoStream(Stream.Null, hash, CryptoStreamMode.Write)) Safetensors.Write(hashing, network);
        context.Writer.Write(hash.Hash!);
        context.SaveBinaryStream(WeightsEntry, writer => Safetensors.Write(writer.BaseStream, network));
    }

    /// <summary>Called by ML.NET, which finds it by its name and parameters.</summary>
    private static ConditionalDiffusionTransformer Create(IHostEnvironment environment, ModelLoadContext context)
    {
        var host = environment.Register(nameof(ConditionalDiffusionTransformer));
        context.CheckAtModel(Version);
        try
        {
            var description = ReadDescription(context.LoadNonEmptyString());
            var hash = context.Reader.ReadBytes(SHA256.HashSizeInBytes);
            TorchRuntime.EnsureLoaded();
            var device = TorchRuntime.Choose(MLNetInternals.GpuDeviceId(host), MLNetInternals.FallbackToCpu(host));
            ConditionalUNet? network = null;
            if (!context.TryLoadBinaryStream(WeightsEntry, reader => network = ReadWeights(reader.BaseStream, hash, description.Network, device)))
                throw new FormatException("the weights are missing");
            return new(host, description, network!);
        }
        catch (Exception exception) when (exception is FormatException or JsonException or EndOfStreamException)
        {
            throw host.ExceptDecode(exception, $"Corrupt model file: {exception.Message}.");
        }
    }

    private static ModelDescription ReadDescription(string json)
    {
        var description = JsonSerializer.Deserialize(json, ModelJson.Default.ModelDescription) ?? throw new FormatException("the description is null");
        if (description.Error() is { } error) throw new FormatException(error);
        return description;
    }

    private static ConditionalUNet ReadWeights(Stream stream, byte[] expectedHash, UNetShape shape, TorchSharp.torch.Device device)
    {
        if (!SHA256.HashData(stream).AsSpan().SequenceEqual(expectedHash)) throw new FormatException("the weights are damaged");
        stream.Position = 0;
        return Safetensors.Read(stream, shape, device);
    }
}
