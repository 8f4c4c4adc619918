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
    /// A row has no image of the right kind, or there are fewer than two different images.
    /// </exception>
    public CopyFilter(IDataView data, string image, ImageShape shape, double fraction, Action checkAlive)
    {
        _fraction = fraction;
        var column = data.Schema[image];
        using var cursor = data.GetRowCursor([column]);
        using var reader = new PixelsReader(cursor, column, shape);
        var rows = new RowChunks(shape.Pixels);

        // Of equal images one is enough, and its nearest neighbour is another image.
        var known = new HashSet<UInt128>();
        while (cursor.MoveNext())
        {
            checkAlive();
            var pixels = reader.ReadChecked().Values;
            if (known.Add(RowChunks.Hash(pixels))) rows.Add(pixels);
        }

        if (FindError(rows.Count) is { } error) throw new InvalidOperationException(error);

        // These live as long as the view, which nobody disposes.
        var real = rows.MoveToTensor().DetachFromDisposeScope();                            // N D
        var origin = Distances.Mean(real).DetachFromDisposeScope();                         // D
        _detection = new(new Distances(origin, checkAlive), real);
    }

    /// <summary>Returns what is wrong if there are no two real images with a distance; null for nothing.</summary>
    public static string? FindError(long images) => images >= 2
        ? null
        : $"{nameof(AugmentationOptions.CopyDistance)} compares distances between different real images, but there " +
            $"are {images}: two are the least.";

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
