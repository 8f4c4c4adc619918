namespace CondDiffusion.MLNet;

/// <summary>Which images <see cref="DataExtensions.LoadImageFolder"/> loads.</summary>
public sealed record ImageFolderOptions
{
    /// <summary>The directory of the folder to load, such as <c>train</c>, <c>test</c> or <c>validation</c>.</summary>
    /// <value>
    /// The name of a directory in the folder, or <c>.</c> for the folder itself. Null for <c>train</c>, if that is a
    /// split: a directory that holds directories or a <c>metadata.csv</c>; otherwise for the folder itself. Default:
    /// null.
    /// </value>
    /// <remarks>
    /// A split of another name, such as <c>Training</c>, has to be named: otherwise the directories of all splits are
    /// loaded. A warning says so where a label has several directories.
    /// </remarks>
    public string? Split { get; init; }

    /// <summary>
    /// Whether images that are broken, or that <c>metadata.csv</c> lists but that are not there, are skipped and
    /// counted in a warning. To find them, the loader decodes every image once. Otherwise a broken image is an error
    /// when its row is read.
    /// </summary>
    /// <value>Default: false.</value>
    public bool SkipBrokenImages { get; init; }

    /// <summary>Cancels the loading, at the next file.</summary>
    /// <value>Default: none.</value>
    public CancellationToken CancellationToken { get; init; }
}
