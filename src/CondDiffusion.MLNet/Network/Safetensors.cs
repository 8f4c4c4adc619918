using System.Buffers.Binary;
using System.Collections.ObjectModel;
using System.Text.Json;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// Named tensors in the safetensors format (https://github.com/huggingface/safetensors): the length of a JSON header as a 64-bit
/// little-endian number, the header, and every tensor's values one after another. Nothing in it is executed on reading.
/// </summary>
internal static class Safetensors
{
    private const string FloatType = "F32", MetadataName = "__metadata__";
    private const int LengthSize = sizeof(ulong), MaxHeaderSize = 1 << 20;

    /// <summary>Writes every parameter and buffer, under its PyTorch name.</summary>
    public static void Write(Stream stream, ConditionalUNet network)
    {
        using var scope = NewDisposeScope();
        Write(stream, [.. network.StateDict()], ReadOnlyDictionary<string, string>.Empty);
    }

    /// <summary>Writes tensors and, before them, some text about them.</summary>
    public static void Write(Stream stream, IReadOnlyList<(TensorEntry Entry, Tensor Values)> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var header = Header(tensors.Select(tensor => tensor.Entry), metadata);
        Span<byte> length = stackalloc byte[LengthSize];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        stream.Write(length);
        stream.Write(header);

        using var noGrad = no_grad();
        foreach (var (_, values) in tensors)
        {
            using var copies = NewDisposeScope(); // from another device; a whole network of them would be too many
            stream.Write(values.cpu().contiguous().bytes);
        }
    }

    /// <summary>Reads a network of a known shape.</summary>
    /// <param name="stream">Seekable; it must hold nothing else.</param>
    /// <param name="shape">The network's shape.</param>
    /// <param name="device">Where the network shall be.</param>
    /// <exception cref="FormatException">The stream does not hold exactly the tensors of that shape.</exception>
    public static ConditionalUNet Read(Stream stream, UNetShape shape, Device device)
    {
        using var scope = NewDisposeScope();
        return ConditionalUNet.Create(shape, device, Open(stream, shape.Tensors()));
    }

    /// <summary>Reads tensors of known shapes into <paramref name="targets"/>.</summary>
    /// <param name="stream">Seekable; it must hold nothing else.</param>
    /// <param name="targets">Every tensor of the stream, on any device.</param>
    /// <exception cref="FormatException">The stream does not hold exactly those tensors.</exception>
    public static void Read(Stream stream, IReadOnlyList<(TensorEntry Entry, Tensor Values)> targets)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var read = Open(stream, [.. targets.Select(target => target.Entry)]);
        foreach (var (entry, values) in targets) values.copy_(read(entry));
    }

    /// <summary>Reads the text about the tensors; empty where there is none.</summary>
    /// <exception cref="FormatException">The stream is not in the format.</exception>
    public static IReadOnlyDictionary<string, string> ReadMetadata(Stream stream) => ReadHeader(stream, json =>
        json.TryGetProperty(MetadataName, out var metadata)
            ? metadata.EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.GetString()!)
            : []);

    /// <summary>
    /// A reader of single tensors, in any order; the result is good until the next. Every name, shape and size is checked before anything is
    /// allocated.
    /// </summary>
    private static Func<TensorEntry, Tensor> Open(Stream stream, IReadOnlyList<TensorEntry> tensors)
    {
        var header = ReadHeader(stream, json => json.EnumerateObject().Where(entry => entry.Name != MetadataName).ToDictionary(
            entry => entry.Name,
            entry => (Type: entry.Value.GetProperty("dtype").GetString()!, Shape: Numbers(entry.Value, "shape"), Offsets: Numbers(entry.Value, "data_offsets"))));
        var data = stream.Position;
        CheckHeader(header, tensors, stream.Length - data);

        var largest = empty(tensors.Max(tensor => tensor.Length)); // the only memory needed beside the target's own
        return tensor =>
        {
            var values = largest.narrow(0, 0, tensor.Length);
            stream.Position = data + header[tensor.Name].Offsets[0];
            stream.ReadExactly(values.bytes);
            return values.view(tensor.Shape);
        };

        static long[] Numbers(JsonElement entry, string name) => [.. entry.GetProperty(name).EnumerateArray().Select(number => number.GetInt64())];
    }

    private static byte[] Header(IEnumerable<TensorEntry> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            long start = 0;
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject(MetadataName);
                foreach (var (name, text) in metadata) json.WriteString(name, text);
                json.WriteEndObject();
            }
            foreach (var tensor in tensors)
            {
                var end = start + tensor.Length * sizeof(float);
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", FloatType);
                WriteNumbers(json, "shape", tensor.Shape);
                WriteNumbers(json, "data_offsets", [start, end]);
                json.WriteEndObject();
                start = end;
            }
            json.WriteEndObject();
        }
        while (buffer.Length % LengthSize != 0) buffer.WriteByte((byte)' '); // the format wants the values aligned
        return buffer.ToArray();
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, long[] numbers)
    {
        json.WriteStartArray(name);
        foreach (var number in numbers) json.WriteNumberValue(number);
        json.WriteEndArray();
    }

    private static T ReadHeader<T>(Stream stream, Func<JsonElement, T> read)
    {
        if (stream.Length < LengthSize) throw new FormatException($"the stream has {stream.Length} bytes, too few for a header.");
        Span<byte> length = stackalloc byte[LengthSize];
        stream.ReadExactly(length);
        var size = BinaryPrimitives.ReadUInt64LittleEndian(length);
        if (size > MaxHeaderSize || (long)size > stream.Length - LengthSize)
            throw new FormatException($"the header claims {size} bytes, of a stream of {stream.Length}.");
        var header = new byte[size];
        stream.ReadExactly(header);
        try
        {
            using var json = JsonDocument.Parse(header);
            return read(json.RootElement);
        }
        catch (Exception exception) when (
            exception is JsonException or KeyNotFoundException or InvalidOperationException or ArgumentException or FormatException)
        {
            throw new FormatException("the header is not the JSON of a safetensors stream.", exception);
        }
    }

    private static void CheckHeader(
        Dictionary<string, (string Type, long[] Shape, long[] Offsets)> header, IReadOnlyList<TensorEntry> tensors, long dataLength)
    {
        foreach (var tensor in tensors)
        {
            if (!header.TryGetValue(tensor.Name, out var found)) throw new FormatException($"tensor '{tensor.Name}' is missing.");
            if (found.Type != FloatType) throw new FormatException($"tensor '{tensor.Name}' has type {found.Type}, expected {FloatType}.");
            if (!found.Shape.SequenceEqual(tensor.Shape))
                throw new FormatException($"tensor '{tensor.Name}' has shape {Text(found.Shape)}, expected {Text(tensor.Shape)}.");
            var size = tensor.Length * sizeof(float);
            if (found.Offsets is not [>= 0, _] || found.Offsets[1] - found.Offsets[0] != size)
                throw new FormatException($"tensor '{tensor.Name}' stands at {Text(found.Offsets)}, expected {size} bytes.");
        }
        if (header.Keys.Except(tensors.Select(tensor => tensor.Name)).FirstOrDefault() is { } unknown)
            throw new FormatException($"tensor '{unknown}' is unknown.");

        long end = 0;
        foreach (var (name, found) in header.OrderBy(tensor => tensor.Value.Offsets[0]))
        {
            if (found.Offsets[0] != end) throw new FormatException($"tensor '{name}' starts at {found.Offsets[0]}, expected {end}.");
            end = found.Offsets[1];
        }
        if (dataLength != end) throw new FormatException($"the tensors take {end} bytes, but the stream has {dataLength}.");
    }

    private static string Text(long[] numbers) => $"[{string.Join(", ", numbers)}]";
}
