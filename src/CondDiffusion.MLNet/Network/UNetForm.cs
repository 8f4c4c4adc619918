namespace CondDiffusion.MLNet.Network;

/// <summary>
/// The form of a U-Net: all that tells one architecture from another. Another architecture is a file with its form, and
/// with its kinds of blocks where these are new, and a line in the table here.
/// </summary>
internal sealed record UNetForm
{
    private static readonly Dictionary<NetworkArchitecture, UNetForm> All = new()
    {
        [NetworkArchitecture.Plain] = PlainUNet.Form,
        [NetworkArchitecture.Residual] = ResidualUNet.Form,
    };

    /// <summary>Side of the squares of pixels that become channels before the first block.</summary>
    public int Stem { get; init; } = 1;

    /// <summary>Blocks at each resolution but the lowest, on the way down.</summary>
    public required IReadOnlyList<BlockKind> Encoder { get; init; }

    /// <summary>Blocks at the lowest resolution.</summary>
    public required IReadOnlyList<BlockKind> Middle { get; init; }

    /// <summary>Blocks at each resolution but the lowest, on the way up.</summary>
    public required IReadOnlyList<BlockKind> Decoder { get; init; }

    /// <summary>
    /// Whether the network is given the noise as half the logarithm of the signal-to-noise ratio, rather than as the
    /// number of the timestep.
    /// </summary>
    public bool TakesNoiseLevel { get; init; }

    /// <summary>Whether two layers of the embedding are shared by the blocks.</summary>
    public bool SharesEmbedding { get; init; }

    /// <summary>The widths where none are given; there is one for each resolution.</summary>
    public required IReadOnlyList<int> DefaultWidths { get; init; }

    /// <summary>The least number of resolutions.</summary>
    public required int LeastWidths { get; init; }

    /// <summary>The largest number of resolutions.</summary>
    public required int MostWidths { get; init; }

    /// <summary>What each width is a multiple of.</summary>
    public int WidthMultiple { get; init; } = 1;

    /// <summary>Applies a block.</summary>
    /// <typeparam name="T">The type of an activation: a tensor, or what stands for one.</typeparam>
    /// <param name="number">The number of the block in the order of evaluation, from 0.</param>
    /// <param name="x">The output of the block before it.</param>
    /// <param name="skip">
    /// The activation of the encoder that <paramref name="x"/> is upsampled to and joined with; null for none.
    /// </param>
    /// <param name="pools">Whether height and width of <paramref name="x"/> are halved first.</param>
    /// <returns>The output of the block.</returns>
    public delegate T ApplyBlock<T>(int number, T x, T? skip, bool pools)
        where T : class;

    /// <summary>Returns the form of an architecture; null if there is none such.</summary>
    public static UNetForm? Find(NetworkArchitecture architecture) => All.GetValueOrDefault(architecture);

    /// <summary>Applies the blocks of a U-Net.</summary>
    /// <typeparam name="T">The type of an activation.</typeparam>
    /// <param name="x">The input of the first block.</param>
    /// <param name="resolutions">The number of resolutions.</param>
    /// <param name="apply">Applies one block.</param>
    /// <returns>The output of the last block.</returns>
    public T Apply<T>(T x, int resolutions, ApplyBlock<T> apply)
        where T : class
    {
        var skips = new Stack<T>();
        var number = 0;
        for (var level = 0; level < resolutions - 1; level++)
        {
            ApplyAll(Encoder, pools: level > 0);
            skips.Push(x);
        }

        ApplyAll(Middle, pools: resolutions > 1);
        while (skips.TryPop(out var skip)) ApplyAll(Decoder, skip);
        return x;

        void ApplyAll(IReadOnlyList<BlockKind> blocks, T? skip = null, bool pools = false)
        {
            for (var i = 0; i < blocks.Count; i++)
                x = i == 0 ? apply(number++, x, skip, pools) : apply(number++, x, null, false);
        }
    }
}
