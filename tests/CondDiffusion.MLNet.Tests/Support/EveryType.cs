using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>A row with a column of every type of data that ML.NET has, except images.</summary>
internal class EveryType(int i)
{
    public string Name { get; set; } = new[] { "cat", "dog", "eel" }[i % 3];

    public bool Boolean { get; set; } = i % 2 == 0;

    public sbyte SByte { get; set; } = (sbyte)-i;

    public byte Byte { get; set; } = (byte)i;

    public short Int16 { get; set; } = (short)-i;

    public ushort UInt16 { get; set; } = (ushort)i;

    public int Int32 { get; set; } = -i;

    public uint UInt32 { get; set; } = (uint)i;

    public long Int64 { get; set; } = -i;

    public ulong UInt64 { get; set; } = (ulong)i;

    public float Single { get; set; } = i / 3f;

    public double Double { get; set; } = i / 3.0;

    public TimeSpan TimeSpan { get; set; } = TimeSpan.FromSeconds(i);

    public DateTime DateTime { get; set; } = DateTime.UnixEpoch.AddDays(i);

    public DateTimeOffset DateTimeOffset { get; set; } = DateTimeOffset.UnixEpoch.AddDays(i);

    public DataViewRowId RowId { get; set; } = new((ulong)i, 5);

    [KeyType(10)]
    public byte Key { get; set; } = (byte)i;

    public int[] Vector { get; set; } = [.. Enumerable.Range(0, i)];

    [VectorType(2)]
    public string[] Texts { get; set; } = ["x", $"{i}"];

    public VBuffer<double> Sparse { get; set; } = new(100, 1, [i], [i]);
}
