using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Benchmarks.Mutations;

/// <summary>The entries of a model file, which tests and mutations look at and change.</summary>
internal sealed class ModelZip
{
    public const string Key = "Model.key";
    public const string Description = "description.json";
    public const string Weights = "weights.safetensors";

    private readonly Dictionary<string, byte[]> _entries = [];

    public ModelZip(byte[] file)
    {
        using var zip = new ZipArchive(new MemoryStream(file));
        foreach (var entry in zip.Entries)
        {
            using var bytes = new MemoryStream();
            using (var stream = entry.Open())
                stream.CopyTo(bytes);
            _entries[entry.FullName] = bytes.ToArray();
        }

        Folder = _entries.Keys.Single(name => name.EndsWith(Weights, StringComparison.Ordinal))[..^Weights.Length];
    }

    /// <summary>
    /// The folder of the transformer's entries: "" in a file of its own, another one in a chain's file.
    /// </summary>
    public string Folder { get; }

    public byte[] this[string entry]
    {
        get => _entries[Folder + entry];
        set => _entries[Folder + entry] = value;
    }

    public static byte[] Save(MLContext ml, ITransformer model)
    {
        using var file = new MemoryStream();
        ml.Model.Save(model, null, file);
        return file.ToArray();
    }

    public static ITransformer Load(MLContext ml, byte[] file)
    {
        using var stream = new MemoryStream(file);
        return ml.Model.Load(stream, out _);
    }

    public void Remove(string entry) => _entries.Remove(Folder + entry);

    /// <summary>Changes entries and corrects the checksum over them, which damage to the file would not do.</summary>
    public void Forge(Action change)
    {
        var old = Hash();
        change();
        var at = this[Key].AsSpan().IndexOf(old);
        Hash().CopyTo(this[Key], at);
    }

    public byte[] ToBytes()
    {
        using var file = new MemoryStream();
        using (var zip = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, bytes) in _entries)
            {
                using var stream = zip.CreateEntry(name).Open();
                stream.Write(bytes);
            }
        }

        return file.ToArray();
    }

    private byte[] Hash() => SHA256.HashData([.. this[Description], .. this[Weights]]);
}
