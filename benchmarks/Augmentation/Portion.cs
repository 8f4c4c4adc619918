namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>Images that fill a part of the rows of a training. All portions of a training fill equal parts.</summary>
/// <param name="Images">At least one image.</param>
internal sealed record Portion(IReadOnlyList<WeightedImage> Images)
{
    /// <summary>Creates a portion of images of weight 1.</summary>
    public static Portion Of(IEnumerable<GreyImage> images) =>
        new([.. images.Select(image => new WeightedImage(image))]);

    /// <summary>Creates a portion of the images of each label, in the order of the labels.</summary>
    public static IReadOnlyList<Portion> ByLabel(IEnumerable<GreyImage> images) =>
        [.. images.GroupBy(image => image.Label).OrderBy(label => label.Key).Select(Of)];

    /// <summary>
    /// Fills the rows of a training, so that trainings of other numbers of images take as many steps: one epoch of
    /// these rows. An image comes as often as every other one of its portion, or once more, as the seed decides.
    /// </summary>
    /// <param name="portions">The images.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="seed">Decides which images come once more.</param>
    public static IEnumerable<WeightedImage> Fill(IReadOnlyList<Portion> portions, int rows, int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < portions.Count; i++)
        {
            WeightedImage[] images = [.. portions[i].Images];
            var end = (long)rows * (i + 1) / portions.Count;
            for (var left = (int)(end - (long)rows * i / portions.Count); left > 0; left -= images.Length)
            {
                random.Shuffle(images);
                foreach (var image in images.Take(left)) yield return image;
            }
        }
    }
}
