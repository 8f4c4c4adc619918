using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Classification;

/// <summary>Decides the shape of every tensor of a <see cref="ClassifierNetwork"/>. Model files contain it.</summary>
/// <param name="Channels">Channels of the image, C.</param>
/// <param name="Height">Height of the image, H.</param>
/// <param name="Width">Width of the image, W.</param>
/// <param name="Labels">The number of labels.</param>
/// <param name="Widths">
/// Feature channels of each block. Each block has half the height and width of the one before.
/// </param>
/// <param name="Convolutions">Convolutions in a block.</param>
/// <param name="Features">Features of an image, from which one layer computes the logits of the labels.</param>
internal sealed record ClassifierShape(
    int Channels,
    int Height,
    int Width,
    int Labels,
    IReadOnlyList<int> Widths,
    int Convolutions,
    int Features)
{
    /// <summary>Channels, height and width of an image.</summary>
    public long[] ImageSize => [Channels, Height, Width];

    /// <summary>The number of values in one image, C * H * W.</summary>
    public int Pixels => Channels * Height * Width;

    /// <summary>The number of values in the largest activation of an image, its pixels included.</summary>
    public long LargestActivation => Widths
        .Select((width, block) => (long)width * After(block, Height) * After(block, Width))
        .Append(Pixels)
        .Max();

    /// <summary>Returns the height or width after some of the blocks, each of which ends with a pooling.</summary>
    public static int After(int blocks, int side)
    {
        for (var i = 0; i < blocks && side > 1; i++) side /= 2;
        return side;
    }

    /// <summary>Lists every parameter and buffer in the order of PyTorch's state_dict.</summary>
    public IReadOnlyList<TensorEntry> Tensors()
    {
        var tensors = new List<TensorEntry>();
        var inputs = Channels;
        for (var block = 0; block < Widths.Count; block++)
        {
            var outputs = Widths[block];
            for (var i = 0; i < Convolutions; i++)
            {
                tensors.AddRange(TensorEntry.Layer(
                    TensorRole.Convolution, $"blocks.{block}.{3 * i}", [outputs, inputs, 3, 3]));
                tensors.AddRange(TensorEntry.BatchNorm($"blocks.{block}.{3 * i + 1}", outputs));
                inputs = outputs;
            }
        }

        var values = (long)inputs * After(Widths.Count, Height) * After(Widths.Count, Width);
        return
        [
            .. tensors,
            .. TensorEntry.Layer(TensorRole.Linear, "features", [Features, values]),
            .. TensorEntry.Layer(TensorRole.Linear, "logits", [Labels, Features]),
        ];
    }
}
