using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// Reads and writes named tensors in the safetensors format (https://github.com/huggingface/safetensors): the length of
/// a JSON header as a 64-bit little-endian number, the header, and the values of one tensor after another. Reading
/// executes nothing.
/// </summary>
internal static class Safetensors
{
    private const string FloatType = "F32";
    private const string MetadataName = "__metadata__";
    private const string BatchCounter = ".num_batches_tracked"; // of PyTorch's batch norms, which nothing here needs
    private const int LengthSize = sizeof(ulong);
    private const int MaxHeaderSize = 1 << 20;
    private const int PieceLength = 1 << 20; // values that are copied at a time: a span of bytes cannot have 2^31

    /// <summary>Writes tensors and, before them, texts about them.</summary>
    /// <param name="stream">The stream to write to.</param>
    /// <param name="tensors">The tensors, on any device.</param>
    /// <param name="metadata">The texts by name; empty for none.</param>
    public static void Write(
        Stream stream,
        IReadOnlyList<(TensorEntry Entry, Tensor Values)> tensors,
        IReadOnlyDictionary<string, string> metadata)
    {
        var header = Header(tensors.Select(tensor => tensor.Entry), metadata);
        Span<byte> length = stackalloc byte[LengthSize];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        stream.Write(length);
        stream.Write(header);

        using var noGrad = no_grad();
        foreach (var (_, values) in tensors)
        {
            using var copies = NewDisposeScope(); // frees a copy from another device before the next is made
            foreach (var piece in Pieces(values.cpu().contiguous())) stream.Write(piece.bytes);
        }
    }

    /// <summary>Reads tensors of known shapes into <paramref name="targets"/>.</summary>
    /// <param name="stream">The stream. It must be seekable and hold nothing else.</param>
    /// <param name="targets">The tensors to read into, on any device: all that the stream holds.</param>
    /// <exception cref="FormatException">The stream does not hold exactly those tensors.</exception>
    public static void Read(Stream stream, IReadOnlyList<(TensorEntry Entry, Tensor Values)> targets)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var read = Open(stream, [.. targets.Select(target => target.Entry)]);
        foreach (var (entry, values) in targets) read(entry, values);
    }

    /// <summary>Reads tensors of known shapes into arrays, without libtorch.</summary>
    /// <param name="stream">The stream. It must be seekable and hold nothing else.</param>
    /// <param name="tensors">The tensors: all that the stream holds.</param>
    /// <exception cref="FormatException">The stream does not hold exactly those tensors.</exception>
    public static IReadOnlyList<(TensorEntry Entry, float[] Values)> ReadArrays(
        Stream stream, IReadOnlyList<TensorEntry> tensors)
    {
        var find = Check(stream, tensors);
        return [.. tensors.Select(tensor => (tensor, ReadArray(tensor)))];

        float[] ReadArray(TensorEntry tensor)
        {
            var values = new float[tensor.Length];
            stream.Position = find(tensor);
            stream.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
            return values;
        }
    }

    /// <summary>Reads the texts about the tensors, by name; there may be none.</summary>
    /// <exception cref="FormatException">The stream is not in the format.</exception>
    public static IReadOnlyDictionary<string, string> ReadMetadata(Stream stream) => ReadHeader(stream, json =>
        json.TryGetProperty(MetadataName, out var metadata)
            ? metadata.EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.GetString()!)
            : []);

    /// <summary>Returns the shape of a tensor; null if the stream has no such tensor.</summary>
    /// <exception cref="FormatException">The stream is not in the format.</exception>
    public static long[]? FindShape(Stream stream, string name) => ReadHeader(stream, json =>
        json.TryGetProperty(name, out var entry) ? ReadTensorHeader(entry).Shape : null);

    /// <summary>
    /// Checks every name, shape and size before anything is allocated, and returns a reader of single tensors, in any
    /// order, into contiguous tensors on any device. It can be called within the present dispose scope.
    /// </summary>
    /// <param name="stream">The stream. It must be seekable and hold nothing else.</param>
    /// <param name="tensors">The tensors that the stream should hold.</param>
    /// <exception cref="FormatException">The stream does not hold exactly those tensors.</exception>
    public static Action<TensorEntry, Tensor> Open(Stream stream, IReadOnlyList<TensorEntry> tensors)
    {
        var find = Check(stream, tensors);

        // This is the only memory that reading needs besides that of the targets.
        var longest = Math.Min(tensors.Max(tensor => tensor.Length), PieceLength);
        var buffer = empty(longest, ScalarType.Float32, CPU);
        return (tensor, target) =>
        {
            stream.Position = find(tensor);
            foreach (var piece in Pieces(target))
            {
                var values = buffer.narrow(0, 0, piece.shape[0]);
                stream.ReadExactly(values.bytes);
                piece.copy_(values);
            }
        };
    }

    /// <summary>
    /// Checks every name, shape and size, and returns what finds the position of a tensor's values in the stream.
    /// </summary>
    private static Func<TensorEntry, long> Check(Stream stream, IReadOnlyList<TensorEntry> tensors)
    {
        var header = ReadHeader(stream, json => json.EnumerateObject()
            .Where(entry => entry.Name != MetadataName)
            .ToDictionary(entry => entry.Name, entry => ReadTensorHeader(entry.Value)));
        var data = stream.Position;
        CheckHeader(header, tensors, stream.Length - data);
        return tensor => data + header[tensor.Name].Offsets[0];
    }

    /// <summary>Takes a contiguous tensor apart into flat views, each valid until the next.</summary>
    private static IEnumerable<Tensor> Pieces(Tensor tensor)
    {
        for (var start = 0L; start < tensor.numel(); start += PieceLength)
        {
            using var scope = NewDisposeScope();
            yield return tensor.view(-1).narrow(0, start, Math.Min(PieceLength, tensor.numel() - start));
        }
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

        while (buffer.Length % LengthSize != 0) buffer.WriteByte((byte)' '); // the format requires aligned values
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
        if (stream.Length < LengthSize)
            throw new FormatException($"the stream has {stream.Length} bytes, too few for a header.");

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
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException
            or InvalidOperationException or ArgumentException or FormatException)
        {
            throw new FormatException("the header is not the JSON of a safetensors stream.", exception);
        }
    }

    private static TensorHeader ReadTensorHeader(JsonElement entry)
    {
        long[] Numbers(string name) =>
            [.. entry.GetProperty(name).EnumerateArray().Select(number => number.GetInt64())];

        return new(entry.GetProperty("dtype").GetString()!, Numbers("shape"), Numbers("data_offsets"));
    }

    private static void CheckHeader(
        Dictionary<string, TensorHeader> header,
        IReadOnlyList<TensorEntry> tensors,
        long dataLength)
    {
        foreach (var tensor in tensors)
        {
            if (!header.TryGetValue(tensor.Name, out var found))
                throw new FormatException($"tensor '{tensor.Name}' is missing.");

            CheckTensor(found, tensor);
        }

        var unknown = header.Keys
            .Except(tensors.Select(tensor => tensor.Name))
            .FirstOrDefault(name => !name.EndsWith(BatchCounter, StringComparison.Ordinal));
        if (unknown is not null) throw new FormatException($"tensor '{unknown}' is unknown.");

        foreach (var (name, found) in header)
        {
            if (found.Offsets is not [>= 0, _])
                throw new FormatException($"tensor '{name}' has offsets {Text(found.Offsets)}, expected two.");
        }

        long end = 0;
        foreach (var (name, found) in header.OrderBy(tensor => tensor.Value.Offsets[0]))
        {
            if (found.Offsets[0] != end)
                throw new FormatException($"tensor '{name}' starts at {found.Offsets[0]}, expected {end}.");

            end = found.Offsets[1];
        }
        if (dataLength != end)
            throw new FormatException($"the tensors take {end} bytes, but the stream has {dataLength}.");
    }

    private static void CheckTensor(TensorHeader found, TensorEntry expected)
    {
        var name = expected.Name;
        if (found.Type != FloatType)
            throw new FormatException($"tensor '{name}' has type {found.Type}, expected {FloatType}.");

        if (!found.Shape.SequenceEqual(expected.Shape))
        {
            throw new FormatException(
                $"tensor '{name}' has shape {Text(found.Shape)}, expected {Text(expected.Shape)}.");
        }

        var size = expected.Length * sizeof(float);
        if (found.Offsets is not [>= 0, _] || found.Offsets[1] - found.Offsets[0] != size)
            throw new FormatException($"tensor '{name}' has offsets {Text(found.Offsets)}, expected {size} bytes.");
    }

    private static string Text(long[] numbers) => $"[{string.Join(", ", numbers)}]";

    /// <summary>What the header says about one tensor.</summary>
    /// <param name="Type">The name of the data type.</param>
    /// <param name="Shape">The size of each dimension.</param>
    /// <param name="Offsets">The first byte of the values, and the one after the last.</param>
    private readonly record struct TensorHeader(string Type, long[] Shape, long[] Offsets);
}
