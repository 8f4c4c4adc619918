namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>Synthetic minority oversampling (SMOTE; Chawla et al. 2002, arXiv 1106.1813, section 4.2).</summary>
internal static class Smote
{
    private const int Neighbours = 5;

    /// <summary>
    /// Creates images between the images of a label and their nearest neighbours among them, from each image in turn.
    /// </summary>
    /// <param name="images">The images of a label, at least one.</param>
    /// <param name="count">The number of images to create.</param>
    /// <param name="random">Chooses the neighbour, and the place between the two.</param>
    public static IEnumerable<GreyImage> Create(IReadOnlyList<GreyImage> images, int count, Random random)
    {
        var nearest = new GreyImage[images.Count][];
        for (var i = 0; i < count; i++)
        {
            var image = images[i % images.Count];
            var neighbours = nearest[i % images.Count] ??= FindNearest(image, images);

            // A label's only image has no neighbour: it is repeated.
            yield return neighbours.Length == 0
                ? image
                : Interpolate(image, neighbours[random.Next(neighbours.Length)], random.NextDouble());
        }
    }

    private static GreyImage[] FindNearest(GreyImage image, IReadOnlyList<GreyImage> images) =>
    [
        .. images.Where(other => !ReferenceEquals(other, image))
            .OrderBy(other => Distance(image.Levels, other.Levels))
            .Take(Neighbours),
    ];

    /// <summary>Returns the square of the Euclidean distance.</summary>
    private static int Distance(byte[] a, byte[] b)
    {
        var sum = 0;
        for (var i = 0; i < a.Length; i++)
        {
            var difference = a[i] - b[i];
            sum += difference * difference;
        }

        return sum;
    }

    private static GreyImage Interpolate(GreyImage image, GreyImage neighbour, double place) => new(
        image.Label,
        [.. image.Levels.Zip(neighbour.Levels, (from, to) => (byte)Math.Round(from + place * (to - from)))]);
}
