using System.Runtime.InteropServices;
using System.Security.Cryptography;
using CondDiffusion.MLNet.Classification;
using CondDiffusion.MLNet.Evaluation;
using CondDiffusion.MLNet.Imaging;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Augmentation;

/// <summary>Finds near copies of real images among generated ones, by the distances of their pixels.</summary>
internal sealed class CopyFilter
{
    private readonly CopyDetection _detection;
    private readonly double _fraction;

    /// <summary>Reads the real images.</summary>
    /// <param name="data">The real rows.</param>
    /// <param name="image">The column of images or of their pixels.</param>
    /// <param name="shape">The shape of the generated images, which the real ones are brought to.</param>
    /// <param name="fraction"><see cref="AugmentationOptions.CopyDistance"/>.</param>
    /// <param name="checkAlive">Called for each row; it throws to stop the reading.</param>
    /// <exception cref="InvalidOperationException">
    /// A row has no image of the right kind, or there are fewer than two rows.
    /// </exception>
    public CopyFilter(IDataView data, string image, ImageShape shape, double fraction, Action checkAlive)
    {
        _fraction = fraction;
        using var scope = NewDisposeScope();
        var column = data.Schema[image];
        using var cursor = data.GetRowCursor([column]);
        using var reader = new PixelsReader(cursor, column, shape);
        var rows = new List<Tensor>();

        // Of equal images one is enough, and its nearest neighbour is another image.
        var known = new HashSet<string>();
        while (cursor.MoveNext())
        {
            checkAlive();
            var pixels = reader.ReadChecked().Values;
            var hash = SHA256.HashData(MemoryMarshal.AsBytes<float>(pixels));
            if (known.Add(Convert.ToHexString(hash)))
                rows.Add(tensor(pixels, ScalarType.Float32, CPU));
        }

        CheckCount(rows.Count);

        // These live as long as the view, which nobody disposes.
        var real = stack(rows).DetachFromDisposeScope();                                    // N D
        var origin = real.mean([0], type: ScalarType.Float64).DetachFromDisposeScope();     // D
        _detection = new(new Distances(origin, checkAlive), real);
    }

    /// <summary>Checks that there are real images with a distance between them.</summary>
    /// <exception cref="InvalidOperationException">There are fewer than two.</exception>
    public static void CheckCount(long images)
    {
        if (images >= 2) return;

        throw new InvalidOperationException(
            $"{nameof(AugmentationOptions.CopyDistance)} compares distances between different real images, but there " +
            $"are {images}: two are the least.");
    }

    /// <summary>Returns, for each row, whether its image is a near copy.</summary>
    public bool[] Judge(IReadOnlyList<GeneratedRow> rows)
    {
        using var scope = NewDisposeScope();
        var pixels = rows.Select(row => tensor(row.Pixels.ToArray(), ScalarType.Float32, CPU));
        var compared = _detection.Compare(stack([.. pixels]));

        // Both distances are squares.
        return [.. compared.Select(row => row.Square <= _fraction * _fraction * row.Radius)];
    }
}
