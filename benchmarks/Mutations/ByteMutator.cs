using System.Buffers.Binary;

namespace CondDiffusion.MLNet.Benchmarks.Mutations;

/// <summary>Damages bytes at random, without knowing what they mean.</summary>
internal static class ByteMutator
{
    private static readonly ulong[] Numbers =
        [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 1 << 24, int.MaxValue, uint.MaxValue, long.MaxValue, ulong.MaxValue];

    /// <summary>Returns damaged bytes; those that it is given stay as they are.</summary>
    public static byte[] Mutate(Random random, byte[] bytes)
    {
        if (bytes.Length == 0) return [(byte)random.Next(256)];

        var at = random.Next(bytes.Length);
        var length = random.Next(1, Math.Min(bytes.Length - at, 64) + 1);
        var copy = (byte[])bytes.Clone();
        switch (random.Next(7))
        {
            case 0:
                copy[at] ^= (byte)(1 << random.Next(8));
                return copy;
            case 1:
                copy[at] = (byte)random.Next(256);
                return copy;
            case 2:
                random.NextBytes(copy.AsSpan(at, length));
                return copy;
            case 3:
                return [.. bytes[..at], .. bytes[(at + length)..]];
            case 4:
                return [.. bytes[..(at + length)], .. bytes[at..]];
            case 5:
                return bytes[..at];
            default:
                SetNumber(random, copy, at);
                return copy;
        }
    }

    /// <summary>Writes a number of two, four or eight bytes at the limits of its type, in either order.</summary>
    private static void SetNumber(Random random, byte[] bytes, int at)
    {
        Span<byte> number = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(number, Numbers[random.Next(Numbers.Length)]);
        number = number[..Math.Min(2 << random.Next(3), bytes.Length - at)];
        if (random.Next(2) == 0) number.Reverse();
        number.CopyTo(bytes.AsSpan(at));
    }
}
