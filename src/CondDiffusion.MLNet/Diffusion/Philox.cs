namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// Philox4x32-10, a counter-based random generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
/// It is a keyed permutation of 128-bit counters, so that any number of a stream can be computed without those before
/// it.
/// </summary>
internal static class Philox
{
    /// <summary>Returns the four random words of a counter under a key.</summary>
    public static (uint A, uint B, uint C, uint D) Next((uint A, uint B, uint C, uint D) counter, ulong key)
    {
        var (a, b, c, d) = counter;
        var low = (uint)key;
        var high = (uint)(key >> 32);

        for (var round = 0; round < 10; round++)
        {
            var first = 0xD2511F53ul * a;
            var second = 0xCD9E8D57ul * c;
            a = (uint)(second >> 32) ^ b ^ low;
            b = (uint)second;
            c = (uint)(first >> 32) ^ d ^ high;
            d = (uint)first;
            low += 0x9E3779B9;
            high += 0xBB67AE85;
        }

        return (a, b, c, d);
    }

    /// <summary>
    /// Returns the seed of one of many independent streams, which depends on <paramref name="seed"/> and the stream's
    /// number alone.
    /// </summary>
    public static ulong Derive(ulong seed, UInt128 stream)
    {
        var counter = ((uint)stream, (uint)(stream >> 32), (uint)(stream >> 64), (uint)(stream >> 96));
        var (a, b, _, _) = Next(counter, seed);
        return (ulong)b << 32 | a;
    }
}
