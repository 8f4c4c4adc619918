namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// The standard normal noise of one row. It depends on the seed, the row's noise key and the noise's index alone, not
/// on the row's batch, the thread, the process or the device.
/// </summary>
/// <param name="seed">The model's seed.</param>
/// <param name="noiseKey">The row's id or seed.</param>
internal readonly struct RowNoise(ulong seed, UInt128 noiseKey)
{
    private readonly ulong _key = SeedStream.RowNoise(seed, noiseKey);

    /// <summary>Fills <paramref name="values"/> with one of the row's noises.</summary>
    /// <param name="values">The pixels to fill. A shorter span receives the beginning of a longer one's noise.</param>
    /// <param name="index">The index of the noise, since a sampler may need a fresh one in every step.</param>
    public void Fill(Span<float> values, int index)
    {
        Span<float> four = stackalloc float[4];
        for (var i = 0; i < values.Length; i += 4)
        {
            var (a, b, c, d) = Philox.Next(((uint)i / 4, (uint)index, 0, 0), _key);
            (four[0], four[1]) = BoxMuller(a, b);
            (four[2], four[3]) = BoxMuller(c, d);

            var rest = values[i..];
            four[..Math.Min(4, rest.Length)].CopyTo(rest);
        }
    }

    /// <summary>Returns one noise of each row, one row after the other. All cores make them.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="length">The number of pixels of a row.</param>
    /// <param name="index">The index of the noise.</param>
    public static float[] Create(IReadOnlyList<RowNoise> rows, int length, int index)
    {
        var values = new float[rows.Count * length];
        Parallel.For(0, rows.Count, i => rows[i].Fill(values.AsSpan(i * length, length), index));
        return values;
    }

    /// <summary>
    /// Returns two independent normal numbers made from two uniform ones (Box and Muller 1958). They are computed in
    /// float64 and rounded once, so that mathematics libraries that differ in a logarithm's last bit still give the
    /// same float32.
    /// </summary>
    private static (float First, float Second) BoxMuller(uint a, uint b)
    {
        const double Range = 4294967296; // 2^32

        var radius = Math.Sqrt(-2 * Math.Log((a + 0.5) / Range));
        var (sin, cos) = Math.SinCos(2 * Math.PI * ((b + 0.5) / Range));
        return ((float)(radius * cos), (float)(radius * sin));
    }
}
