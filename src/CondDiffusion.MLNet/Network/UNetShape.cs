using System.Text.Json.Serialization;

namespace CondDiffusion.MLNet.Network;

/// <summary>Decides the shape of every tensor of a <see cref="ConditionalUNet"/>. Model files contain it.</summary>
/// <param name="Channels">Channels of the image, C.</param>
/// <param name="Height">Height of the image, H; a multiple of <see cref="Divisor"/>.</param>
/// <param name="Width">Width of the image, W; a multiple of <see cref="Divisor"/>.</param>
/// <param name="Labels">Rows of the label embedding table.</param>
/// <param name="EmbeddingSize">Size of the time and label embedding, D.</param>
/// <param name="Widths">Feature channels at each resolution, from the highest to the lowest: W0, W1 and so on.</param>
internal sealed record UNetShape(
    int Channels,
    int Height,
    int Width,
    int Labels,
    int EmbeddingSize,
    IReadOnlyList<int> Widths)
{
    /// <summary>Name of the tensor of the layer that takes in how an image was transformed.</summary>
    public const string TransformLayer = "transform_emb.weight";

    /// <summary>The number of values that describe how an image was transformed.</summary>
    public const int TransformSize = 5;

    /// <summary>The maximum of <see cref="Pixels"/>.</summary>
    public const int MostPixels = 1 << 22;

    /// <summary>The architecture. Files of formats before 1.4 do not contain it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public NetworkArchitecture Architecture { get; init; }

    /// <summary>
    /// Whether the network has a layer that takes in how an image was transformed. Files of formats before 1.6 do not
    /// contain it.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool TakesTransform { get; init; }

    /// <summary>The form of the architecture, which has to exist.</summary>
    internal UNetForm Form => UNetForm.Find(Architecture)!;

    /// <summary>The number of values in one image, C * H * W.</summary>
    public int Pixels => Channels * Height * Width;

    /// <summary>How many times smaller than the image the lowest resolution is.</summary>
    internal int Divisor => Form.Stem << (Widths.Count - 1);

    /// <summary>The number of values in the largest activation that an image becomes.</summary>
    internal long LargestActivation => Places().Max(block =>
        (long)block.Kind.Widest(block.Place) * (Height / block.Place.Scale) * (Width / block.Place.Scale));

    /// <summary>Lists the blocks in the order in which they are evaluated.</summary>
    public IReadOnlyList<(BlockKind Kind, BlockPlace Place)> Places()
    {
        var form = Form;
        var places = new List<(BlockKind, BlockPlace)>();
        int[] inputs = [Channels * form.Stem * form.Stem];
        var lowest = Widths.Count - 1;
        for (var level = 0; level < lowest; level++) Add(form.Encoder, $"down{level + 1}", level);
        Add(form.Middle, "bot1", lowest);
        for (var level = lowest - 1; level >= 0; level--)
        {
            inputs = [.. inputs, Widths[level]];
            Add(form.Decoder, $"up{level + 1}", level);
        }

        return places;

        void Add(IReadOnlyList<BlockKind> kinds, string name, int level)
        {
            for (var i = 0; i < kinds.Count; i++)
            {
                var fullName = kinds.Count == 1 ? name : $"{name}.{i}";
                places.Add((kinds[i], new(fullName, inputs, Widths[level], form.Stem << level, EmbeddingSize)));
                inputs = [Widths[level]];
            }
        }
    }

    /// <summary>Lists every parameter and buffer in the order of PyTorch's state_dict.</summary>
    public IReadOnlyList<TensorEntry> Tensors()
    {
        var form = Form;
        var entries = new List<TensorEntry>(Places().SelectMany(block => block.Kind.Tensors(block.Place)));
        var output = Channels * form.Stem * form.Stem;
        entries.AddRange(TensorEntry.Layer(TensorRole.Convolution, "out", [output, Widths[0], 1, 1]));
        entries.Add(new("label_emb.weight", [Labels, EmbeddingSize], TensorRole.Embedding));
        if (TakesTransform) entries.Add(new(TransformLayer, [EmbeddingSize, TransformSize], TensorRole.Zero));
        if (!form.SharesEmbedding) return entries;

        entries.AddRange(TensorEntry.Layer(TensorRole.Linear, "emb.0", [EmbeddingSize, EmbeddingSize]));
        entries.AddRange(TensorEntry.Layer(TensorRole.Linear, "emb.2", [EmbeddingSize, EmbeddingSize]));
        return entries;
    }
}
