using System.Security.Cryptography;
using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Saves and loads a transformer's part of an ML.NET model file: the block that ML.NET requires, an entry with a
/// description of the model as JSON, and an entry with the weights in the safetensors format. The block holds the
/// SHA-256 of the two entries, one after the other, because ML.NET does not check the zip file's own checksums.
/// </summary>
/// <param name="signature">Eight letters that name the kind of model.</param>
/// <param name="loader">Name of the model's loader.</param>
/// <param name="newest">Newest version of the format that this library reads.</param>
/// <param name="oldest">Oldest version of the format that it reads.</param>
internal sealed class ModelFile(string signature, string loader, uint newest, uint oldest)
{
    private const string DescriptionEntry = "description.json";
    private const string WeightsEntry = "weights.safetensors";

    // Loading may take 256 MB of memory more than the file has: 240 for what the two entries become, and the rest for
    // buffers and the header of the weights. The bound is on the difference, since the ratio says little: float32
    // weights lose a tenth of their size in a zip, which at the limit of the parameters is 205 MB, and weights that
    // were once float16 or bfloat16 lose half of it. Where that is more than the bound, the entry can be stored
    // unpacked.
    private const long MostBeyondFile = 240L << 20;
    private const double TypicalLoss = 0.1;

    // An entry of the description's lists can take a hundred bytes of memory, for two in the file, and a character of
    // its texts four.
    private const long ValueBytes = 100;
    private const long CharacterBytes = 4;

    // The assembly's name has no version, so that later versions of the library load older files.
    private VersionInfo Version(uint format) => new(
        modelSignature: signature,
        verWrittenCur: format,
        verReadableCur: format,
        verWeCanReadBack: oldest,
        loaderSignature: loader,
        loaderAssemblyName: typeof(ModelFile).Assembly.GetName().Name!);

    /// <summary>Saves a model.</summary>
    /// <param name="context">The file.</param>
    /// <param name="json">The description, in UTF-8.</param>
    /// <param name="network">The weights.</param>
    /// <param name="format">Version of the format that the description is written in.</param>
    /// <exception cref="InvalidOperationException">The values of the labels are too long for a file.</exception>
    public void Save(ModelSaveContext context, byte[] json, FlatNetwork network, uint format)
    {
        context.CheckAtModel();
        context.SetVersionInfo(Version(format));

        if (FindSizeError(json, network) is { } error)
            throw new InvalidOperationException($"The model file could not be loaded again: {error}");

        context.Writer.Write(ComputeHash(json, stream => network.Save(stream)));

        context.SaveBinaryStream(DescriptionEntry, writer => writer.Write(json));
        context.SaveBinaryStream(WeightsEntry, writer => network.Save(writer.BaseStream));
    }

    /// <summary>Returns why a model that is saved could not be loaded again; null if it could.</summary>
    /// <param name="json">The description, in UTF-8.</param>
    /// <param name="network">The weights.</param>
    public static string? FindSizeError(byte[] json, FlatNetwork network)
    {
        var weights = sizeof(float) * (network.Parameters.numel() + network.Buffers.numel());
        return FindSizeError(json, (long)(TypicalLoss * weights));
    }

    /// <summary>
    /// Loads what <see cref="Save"/> saved. Everything is checked before memory for the weights is allocated. The
    /// caller owns the network.
    /// </summary>
    /// <param name="host">The transformer.</param>
    /// <param name="context">The file.</param>
    /// <param name="read">
    /// Reads the description and then the weights, to a device; called when both have the right hash.
    /// </param>
    /// <exception cref="FormatException">The file is damaged, or needs a newer version of the library.</exception>
    public (TDescription Description, TNetwork Network) Load<TDescription, TNetwork>(
        IHost host,
        ModelLoadContext context,
        Func<byte[], Stream, Device, (TDescription Description, TNetwork Network)> read) =>
        Read(host, context, (json, weights) =>
        {
            TorchRuntime.EnsureLoaded();
            var device = TorchDevice.Choose(MLNetInternals.GpuDeviceId(host), MLNetInternals.FallbackToCpu(host));
            return read(json, weights, device);
        });

    /// <summary>
    /// Reads the first model of this kind in a file, alone or in a chain, without creating any component of the file
    /// and without libtorch.
    /// </summary>
    /// <param name="host">The reader.</param>
    /// <param name="file">The file, which is seekable.</param>
    /// <param name="read">Reads the description and the weights; called when both have the right hash.</param>
    /// <exception cref="FormatException">
    /// The file is damaged, needs a newer version of the library, or has no such model.
    /// </exception>
    public T Find<T>(IHost host, Stream file, Func<byte[], Stream, T> read)
    {
        using var repository = RepositoryReader.Open(file, host);
        foreach (var folder in MLNetInternals.FindFolders(repository, DescriptionEntry))
        {
            using var entry = repository.OpenEntry(folder, ModelLoadContext.ModelStreamName);
            using var context = new ModelLoadContext(repository, entry, folder);
            if (context.Header.ModelSignature == Version(newest).ModelSignature) return Read(host, context, read);
        }

        throw host.ExceptDecode("The model file holds no generator of images.");
    }

    /// <summary>Computes the SHA-256 of a description and weights.</summary>
    /// <param name="json">The description, in UTF-8.</param>
    /// <param name="writeWeights">Writes the weights to a stream.</param>
    public static byte[] ComputeHash(byte[] json, Action<Stream> writeWeights)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var stream = new HashingStream(hash);
        stream.Write(json);
        writeWeights(stream);
        return hash.GetHashAndReset();
    }

    private T Read<T>(IHost host, ModelLoadContext context, Func<byte[], Stream, T> read)
    {
        try
        {
            ReadHeader(context);
            var hash = context.Reader.ReadBytes(SHA256.HashSizeInBytes);

            _ = CheckUnpacked(context, DescriptionEntry, CharacterBytes);
            var gain = CheckUnpacked(context, WeightsEntry, bytes: 1);
            var json = LoadEntry(context, DescriptionEntry, ReadAll);
            return LoadEntry(context, WeightsEntry, stream =>
            {
                CheckHash(hash, json, stream);
                if (FindSizeError(json, gain) is { } error) throw new FormatException(error);
                return read(json, stream);
            });
        }
        catch (Exception exception) when (exception is FormatException or InvalidDataException or EndOfStreamException)
        {
            // This exception has no inner one. In a chain ML.NET wraps it, and GetBaseException() must return the
            // exception that says what is wrong.
            throw host.ExceptDecode($"The model file cannot be read: {exception.Message}");
        }
        catch (InvalidOperationException exception)
        {
            // Process marks the exception as one that ML.NET reports to the user, rather than as a bug.
            throw host.Process(exception);
        }
    }

    private void ReadHeader(ModelLoadContext context)
    {
        var needed = context.Header.ModelVerReadable;
        if (needed > newest)
        {
            throw new FormatException(
                $"it needs a newer CondDiffusion.MLNet, one that reads format {Text(needed)}; " +
                $"this one reads up to {Text(newest)}.");
        }

        context.CheckAtModel(Version(newest));

        // ML.NET checks this too, but only after the network has been loaded.
        if (context.Header.CbModel != SHA256.HashSizeInBytes)
        {
            throw new FormatException(
                $"its block has {context.Header.CbModel} bytes, expected {SHA256.HashSizeInBytes}.");
        }

        static string Text(uint version) => $"{version >> 16}.{version & 0xFFFF}";
    }

    private static T LoadEntry<T>(ModelLoadContext context, string name, Func<Stream, T> read)
    {
        var result = default(T);
        return context.TryLoadBinaryStream(name, reader => result = read(reader.BaseStream))
            ? result!
            : throw new FormatException($"its entry '{name}' is missing.");
    }

    /// <summary>
    /// Checks what an entry would take, before ML.NET unpacks it, and returns how much longer it is unpacked.
    /// </summary>
    /// <param name="context">The file.</param>
    /// <param name="name">Name of the entry.</param>
    /// <param name="bytes">Memory for each byte of the unpacked entry.</param>
    private static long CheckUnpacked(ModelLoadContext context, string name, long bytes)
    {
        if (MLNetInternals.FindEntry(context, name) is not { } entry) return 0;

        var most = (MostBeyondFile + entry.CompressedLength) / bytes;
        if (entry.Length <= most) return entry.Length - entry.CompressedLength;

        var cure = name == WeightsEntry ? " If the weights are right, store that entry without compression." : "";
        throw new FormatException(
            $"its entry '{name}' would unpack to {entry.Length} bytes from {entry.CompressedLength}, " +
            $"expected at most {most}.{cure}");
    }

    /// <summary>Returns what is wrong with the size of a description; null if nothing is.</summary>
    /// <param name="json">The description.</param>
    /// <param name="gain">The bytes that the weights have more in memory than in the file.</param>
    private static string? FindSizeError(ReadOnlySpan<byte> json, long gain)
    {
        var memory = CharacterBytes * json.Length + ValueBytes * json.Count((byte)',');
        var most = MostBeyondFile - gain;
        return memory <= most
            ? null
            : $"its entry '{DescriptionEntry}', with the values of the labels, might take {memory} bytes of memory, " +
                $"expected at most {most}.";
    }

    private static byte[] ReadAll(Stream stream)
    {
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static void CheckHash(ReadOnlySpan<byte> expected, byte[] json, Stream weights)
    {
        if (!expected.SequenceEqual(ComputeHash(json, weights.CopyTo)))
        {
            throw new FormatException(
                $"its entries '{DescriptionEntry}' and '{WeightsEntry}' " +
                "do not have the checksum that was saved with them.");
        }

        weights.Position = 0;
    }
}
