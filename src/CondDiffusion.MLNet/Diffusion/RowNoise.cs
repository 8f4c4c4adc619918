namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// One row's standard normal noise, decided by the seed, the row's key and the step alone: not by the batch that the row is in, the
/// thread, the process or the device.
/// </summary>
/// <param name="seed">The seed of the whole data set.</param>
/// <param name="row">What tells this row from others, such as its row id.</param>
internal readonly struct RowNoise(ulong seed, UInt128 row)
{
    private readonly ulong _key = SeedStream.RowNoise(seed, row);

    /// <summary>Fills <paramref name="values"/> with the row's noise for one step.</summary>
    public void Fill(Span<float> values, int step)
    {
        Span<float> four = stackalloc float[4];
        for (var i = 0; i < values.Length; i += 4)
        {
            var (a, b, c, d) = Philox.Next(((uint)i / 4, (uint)step, 0, 0), _key);
            (four[0], four[1]) = BoxMuller(a, b);
            (four[2], four[3]) = BoxMuller(c, d);
            var rest = values[i..];
            four[..Math.Min(4, rest.Length)].CopyTo(rest);
        }
    }

    /// <summary>
    /// Two independent normals from two uniforms (Box and Muller 1958). In float64 and rounded once, so that mathematics libraries that
    /// differ in the last bit of a logarithm still give the same float32.
    /// </summary>
    private static (float, float) BoxMuller(uint a, uint b)
    {
        var radius = Math.Sqrt(-2 * Math.Log((a + 0.5) / 4294967296));
        var (sin, cos) = Math.SinCos(2 * Math.PI * ((b + 0.5) / 4294967296));
        return ((float)(radius * cos), (float)(radius * sin));
    }
}
