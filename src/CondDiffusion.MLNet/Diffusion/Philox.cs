namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// Philox4x32-10, a counter-based random generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a keyed
/// permutation of 128-bit counters, so that any number of any stream is had without the numbers before it.
/// </summary>
internal static class Philox
{
    /// <summary>The four random words of one counter under one key.</summary>
    public static (uint A, uint B, uint C, uint D) Next((uint A, uint B, uint C, uint D) counter, ulong key)
    {
        var (a, b, c, d) = counter;
        var (low, high) = ((uint)key, (uint)(key >> 32));
        for (var round = 0; round < 10; round++)
        {
            var first = 0xD2511F53ul * a;
            var second = 0xCD9E8D57ul * c;
            (a, b, c, d) = ((uint)(second >> 32) ^ b ^ low, (uint)second, (uint)(first >> 32) ^ d ^ high, (uint)first);
            low += 0x9E3779B9;
            high += 0xBB67AE85;
        }
        return (a, b, c, d);
    }

    /// <summary>A seed for one of many independent streams, decided by <paramref name="seed"/> and the stream's number alone.</summary>
    public static ulong Derive(ulong seed, UInt128 stream)
    {
        var (a, b, _, _) = Next(((uint)stream, (uint)(stream >> 32), (uint)(stream >> 64), (uint)(stream >> 96)), seed);
        return (ulong)b << 32 | a;
    }
}
