namespace CondDiffusion.MLNet;

/// <summary>How far <see cref="ImageFolder.Save"/> has come.</summary>
public sealed record ImageFolderProgress
{
    internal ImageFolderProgress()
    {
    }

    /// <summary>Gets the number of images that are in the folder now: the first ones of the data.</summary>
    public required int Saved { get; init; }

    /// <summary>Gets the number of images in the data.</summary>
    public required int Images { get; init; }

    /// <summary>Gets the number of images that were written; the others were there before.</summary>
    public required int Written { get; init; }
}
