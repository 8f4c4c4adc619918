namespace CondDiffusion.MLNet;

/// <summary>What <see cref="ImageFolder.Save"/> writes of data.</summary>
public sealed record ImageFolderSaveOptions
{
    /// <summary>The column with the images, of any size.</summary>
    /// <value>A column name. Default: Image.</value>
    public string ImageColumnName { get; init; } = "Image";

    /// <summary>
    /// The column with the label of each image: keys, texts, numbers or booleans. Keys are written as their values,
    /// where the column has them.
    /// </summary>
    /// <value>A column name. Default: Label.</value>
    public string LabelColumnName { get; init; } = "Label";

    /// <summary>The column with the seed of each image, for the column <c>seed</c> of <c>metadata.csv</c>.</summary>
    /// <value>
    /// The name of a column of numbers, texts, keys or booleans; or null for Seed, if the data has such a column of
    /// that name. Default: null.
    /// </value>
    public string? SeedColumnName { get; init; }

    /// <summary>
    /// The column with the model of each image, for the column <c>model</c> of <c>metadata.csv</c>. A folder that was
    /// begun with another model is refused only where this column tells the two apart.
    /// </summary>
    /// <value>
    /// The name of a column of texts, numbers, keys or booleans; or null for Model, if the data has such a column of
    /// that name. Default: null.
    /// </value>
    public string? ModelColumnName { get; init; }

    /// <summary>Receives the counts after each image, on the thread that saves.</summary>
    /// <value>Default: null.</value>
    public IProgress<ImageFolderProgress>? Progress { get; init; }

    /// <summary>Cancels the saving, at the next image.</summary>
    /// <value>Default: none.</value>
    public CancellationToken CancellationToken { get; init; }
}
