namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// All streams of random numbers under one seed. Each stream has its own seed, which <see cref="Philox.Derive"/>
/// computes from the given seed and a 128-bit stream number.
/// </summary>
/// <remarks>
/// Two streams of a training cannot meet: the upper 64 bits of their numbers differ by purpose, the lower 64 bits by
/// epoch or step. A row's noise key may be any 128-bit number, and so may equal one of these. The row's noise still
/// differs, since it comes from Philox itself, keyed by the derived seed, while the streams of a training seed
/// libtorch's generator, which is another algorithm.
/// </remarks>
internal static class SeedStream
{
    /// <summary>Returns the seed of a network's initial weights.</summary>
    public static ulong InitialWeights(ulong seed) => Philox.Derive(seed, 0);

    /// <summary>Returns the seed that chooses the images held out for validation.</summary>
    public static ulong HeldOut(ulong seed) => Derive(seed, 1, 0);

    /// <summary>Returns the seed of the order of the images in an epoch. Epochs count from 1.</summary>
    public static ulong EpochOrder(ulong seed, long epoch) => Derive(seed, 2, epoch);

    /// <summary>
    /// Returns the seed of a training step's timesteps, noise and dropped labels. Steps count from 0.
    /// </summary>
    public static ulong StepNoise(ulong seed, long step) => Derive(seed, 3, step);

    /// <summary>
    /// Returns the seed of the timesteps and the noise of a batch of validation images, which are the same in every
    /// epoch. Batches count from 0.
    /// </summary>
    public static ulong ValidationNoise(ulong seed, long batch) => Derive(seed, 4, batch);

    /// <summary>Returns the Philox key of a row's noise.</summary>
    /// <param name="seed">The model's seed.</param>
    /// <param name="noiseKey">The row's id or seed.</param>
    public static ulong RowNoise(ulong seed, UInt128 noiseKey) => Philox.Derive(seed, noiseKey);

    /// <summary>Returns the number that rounds how often each image comes in an epoch. Epochs count from 1.</summary>
    public static ulong EpochRows(ulong seed, long epoch) => Derive(seed, 6, epoch);

    /// <summary>Returns the upper half of the noise keys of an augmentation; the lower one is the row.</summary>
    /// <param name="seed">The seed of the augmentation.</param>
    /// <param name="attempt">How many images of the row were refused before.</param>
    public static ulong Augmentation(ulong seed, int attempt) => Derive(seed, 5, attempt);

    /// <summary>Returns the upper half of the ids of the rows that an augmentation adds.</summary>
    /// <param name="seed">The seed of the augmentation.</param>
    /// <param name="rows">The number of rows that it adds them to.</param>
    public static ulong GeneratedRowIds(ulong seed, long rows) => Derive(seed, 7, rows);

    private static ulong Derive(ulong seed, ulong purpose, long number) =>
        Philox.Derive(seed, new UInt128(purpose, (ulong)number));
}
