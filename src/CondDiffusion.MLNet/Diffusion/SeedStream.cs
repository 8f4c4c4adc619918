namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// Every stream of random numbers under one seed. Each is a seed of its own, derived by <see cref="Philox.Derive"/> from the seed and a 128-bit
/// stream number.
/// </summary>
/// <remarks>
/// Two streams of a training cannot meet: the upper 64 bits of their numbers differ by purpose, the lower 64 bits by epoch or step. A row's noise
/// key may be any 128-bit number, and so may equal one of these; its noise still differs, since it comes from Philox itself, keyed by the derived
/// seed, while the streams of a training seed libtorch's generator, which is another algorithm.
/// </remarks>
internal static class SeedStream
{
    /// <summary>The initial weights of a network.</summary>
    public static ulong InitialWeights(ulong seed) => Philox.Derive(seed, 0);

    /// <summary>The choice of the images that are held out for validation.</summary>
    public static ulong HeldOut(ulong seed) => Derive(seed, 1, 0);

    /// <summary>The order of the images in an epoch, counted from 1.</summary>
    public static ulong EpochOrder(ulong seed, long epoch) => Derive(seed, 2, epoch);

    /// <summary>The timesteps, the noise and the hidden labels of a training step, counted from 0.</summary>
    public static ulong StepNoise(ulong seed, long step) => Derive(seed, 3, step);

    /// <summary>The timesteps and the noise of a batch of validation images, counted from 0: the same in every epoch.</summary>
    public static ulong ValidationNoise(ulong seed, long batch) => Derive(seed, 4, batch);

    /// <summary>The Philox key of a row's noise.</summary>
    /// <param name="seed">The model's seed.</param>
    /// <param name="noiseKey">The row's id or seed.</param>
    public static ulong RowNoise(ulong seed, UInt128 noiseKey) => Philox.Derive(seed, noiseKey);

    private static ulong Derive(ulong seed, ulong purpose, long number) => Philox.Derive(seed, new UInt128(purpose, (ulong)number));
}
