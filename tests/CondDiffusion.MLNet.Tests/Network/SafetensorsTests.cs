using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Network;

[TestClass]
public sealed class SafetensorsTests
{
    private static readonly UNetShape Shape = new(1, 8, 8, Labels: 2, EmbeddingSize: 4, [2, 2, 2]);

    [TestMethod]
    public void Write_Network_FollowsTheFormat()
    {
        using var scope = NewDisposeScope();
        using var network = ConditionalUNet.Create(Shape, CPU, seed: 1);
        var (header, data) = Parse(Write(network));

        var end = 0;
        foreach (var (entry, values) in network.StateDict())
        {
            var tensor = header[entry.Name]!;
            Assert.AreEqual("F32", (string)tensor["dtype"]!);
            Assert.AreSequenceEqual(entry.Shape, Longs(tensor["shape"]!));
            var offsets = Longs(tensor["data_offsets"]!);
            Assert.AreEqual(end, offsets[0]); // the format allows no holes
            end = (int)offsets[1];
            var written = MemoryMarshal.Cast<byte, float>(data.AsSpan((int)offsets[0]..end)).ToArray();
            Assert.AreSequenceEqual(values.contiguous().data<float>().ToArray(), written);
        }
        Assert.AreEqual(end, data.Length);
        Assert.HasCount(Shape.Tensors().Count, header);
    }

    [TestMethod]
    public void Write_Network_AlignsItsValues() =>
        Assert.AreEqual(0ul, BinaryPrimitives.ReadUInt64LittleEndian(Saved()) % 8);

    [TestMethod]
    public void Read_OtherWritersOrderAndMetadata_GivesTheSameNetwork()
    {
        var saved = Saved();
        var (header, data) = Parse(saved);
        var reordered = new JsonObject { ["__metadata__"] = new JsonObject { ["format"] = "pt" } };
        using var moved = new MemoryStream();
        foreach (var (name, tensor) in header.OrderByDescending(tensor => tensor.Key, StringComparer.Ordinal))
        {
            var offsets = Longs(tensor!["data_offsets"]!);
            var start = moved.Position;
            moved.Write(data.AsSpan((int)offsets[0]..(int)offsets[1]));
            reordered[name] = new JsonObject
            {
                ["data_offsets"] = new JsonArray(start, moved.Position),
                ["shape"] = tensor["shape"]!.DeepClone(),
                ["dtype"] = "F32",
            };
        }

        var bytes = Compose(reordered.ToJsonString(), moved.ToArray());
        using var network = ConditionalUNet.Load(new MemoryStream(bytes), Shape, CPU);
        Assert.AreSequenceEqual(saved, Write(network));
    }

    [TestMethod]
    public void Read_TensorOfMoreThanAMillionValues_IsWhatWasWritten()
    {
        using var scope = NewDisposeScope();
        var shape = Shape with { Labels = 300_001 };
        using var network = ConditionalUNet.Create(shape, CPU, seed: 1);

        var saved = Write(network);
        var (header, data) = Parse(saved);
        var offsets = Longs(header["label_emb.weight"]!["data_offsets"]!);
        var written = MemoryMarshal.Cast<byte, float>(data.AsSpan((int)offsets[0]..(int)offsets[1]));
        var expected = network.StateDict().Single(tensor => tensor.Entry.Name == "label_emb.weight").Values;
        Assert.IsTrue(written.SequenceEqual(expected.contiguous().data<float>().ToArray()));

        using var read = ConditionalUNet.Load(new MemoryStream(saved), shape, CPU);
        Assert.IsTrue(Write(read).AsSpan().SequenceEqual(saved));
    }

    [TestMethod]
    public void Read_WrongTensor_SaysWhich()
    {
        AssertRefused(header => header.Remove("out.bias"), "tensor 'out.bias' is missing");
        AssertRefused(header => header["extra"] = header["out.bias"]!.DeepClone(), "tensor 'extra' is unknown");

        void AssertFieldRefused(string field, JsonNode value, string message) =>
            AssertRefused(header => header["out.bias"]![field] = value, message);

        AssertFieldRefused("dtype", "F16", "'out.bias' has type F16, expected F32");
        AssertFieldRefused("shape", new JsonArray(2), "'out.bias' has shape [2], expected [1]");
        AssertFieldRefused("shape", new JsonArray(1L << 62, 1L << 62), "'out.bias' has shape");
        AssertFieldRefused("data_offsets", new JsonArray(0, 4), "starts at 0");
        AssertFieldRefused("data_offsets", new JsonArray(4), "expected 4 bytes");
        AssertFieldRefused("data_offsets", new JsonArray(-4, 0), "expected 4 bytes");
        AssertFieldRefused("data_offsets", new JsonArray(long.MinValue, long.MaxValue), "expected 4 bytes");
    }

    /// <summary>PyTorch's counters of batches are passed over, but they take their place in the file.</summary>
    [TestMethod]
    public void Read_WrongBatchCounter_SaysWhich()
    {
        AssertCounterRefused([], "tensor 'a.num_batches_tracked' has offsets [], expected two");
        AssertCounterRefused([0], "has offsets [0], expected two");
        AssertCounterRefused([-8, 0], "has offsets [-8, 0], expected two");
        AssertCounterRefused([0, 8], "starts at 0");
        AssertCounterRefused([1L << 40, (1L << 40) + 8], $"starts at {1L << 40}");

        void AssertCounterRefused(long[] offsets, string message) => AssertRefused(
            header => header["a.num_batches_tracked"] = new JsonObject
            {
                ["dtype"] = "I64",
                ["shape"] = new JsonArray(),
                ["data_offsets"] = new JsonArray([.. offsets.Select(offset => JsonValue.Create(offset))]),
            },
            message);
    }

    [TestMethod]
    public void Read_BytesTooManyOrTooFew_SaysHowMany()
    {
        AssertRefused([.. Saved(), 0], "but the stream has");
        AssertRefused(Saved()[..^4], "but the stream has");
        AssertRefused(Saved()[..50], "header claims");
        AssertRefused([1, 2], "2 bytes");
        AssertRefused([255, 255, 255, 255, 255, 255, 255, 255, 0], "header claims");
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("[]")]
    [DataRow("{\"a\":1}")]
    [DataRow("{\"a\":{}}")]
    [DataRow("{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}")]
    [DataRow("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}")]
    [DataRow("{\"a\":{\"dtype\":\"F32\",\"shape\":[1e99],\"data_offsets\":[0,4]}}")]
    [DataRow(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[]}," +
        "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[]}}")]
    public void Read_HeaderNotTheFormats_SaysSo(string header) =>
        AssertRefused(Compose(header, []), "not the JSON of a safetensors stream");

    private static void AssertRefused(Action<JsonObject> edit, string message)
    {
        var (header, data) = Parse(Saved());
        edit(header);
        AssertRefused(Compose(header.ToJsonString(), data), message);
    }

    private static void AssertRefused(byte[] bytes, string message)
    {
        var before = TensorAssert.Count();
        var error = Assert.ThrowsExactly<FormatException>(
            () => ConditionalUNet.Load(new MemoryStream(bytes), Shape, CPU));
        Assert.Contains(message, error.Message);
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    private static byte[] Saved()
    {
        using var network = ConditionalUNet.Create(Shape, CPU, seed: 1);
        return Write(network);
    }

    private static byte[] Write(ConditionalUNet network)
    {
        using var stream = new MemoryStream();
        network.Save(stream);
        return stream.ToArray();
    }

    private static byte[] Compose(string header, byte[] data)
    {
        var bytes = new byte[8 + header.Length + data.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)header.Length);
        Encoding.UTF8.GetBytes(header).CopyTo(bytes, 8);
        data.CopyTo(bytes, 8 + header.Length);
        return bytes;
    }

    private static (JsonObject Header, byte[] Data) Parse(byte[] bytes)
    {
        var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        return (JsonNode.Parse(bytes.AsSpan(8, length))!.AsObject(), bytes[(8 + length)..]);
    }

    private static long[] Longs(JsonNode node) => [.. node.AsArray().Select(number => (long)number!)];
}
