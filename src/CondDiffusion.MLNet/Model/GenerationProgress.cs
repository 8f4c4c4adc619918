using Microsoft.ML.Data;

namespace CondDiffusion.MLNet;

/// <summary>
/// The state of a generation after one of its steps. Many images are generated in several batches, one after another,
/// and each batch takes all the steps.
/// </summary>
public sealed class GenerationProgress
{
    private readonly Func<IReadOnlyList<MLImage>> _images;

    internal GenerationProgress(Func<IReadOnlyList<MLImage>> images) => _images = images;

    /// <summary>The step that has just ended, counted from 1 in each batch.</summary>
    public int Step { get; internal init; }

    /// <summary>The number of steps from noise to an image, which is that of each batch.</summary>
    public int Steps { get; internal init; }

    /// <summary>The batch in progress, counted from 1.</summary>
    public int Batch { get; internal init; }

    /// <summary>The number of batches in the generation. As many images as fit into one batch have one.</summary>
    public int Batches { get; internal init; }

    /// <summary>
    /// The number of images in the batches before, which is the index of the label that the first of this batch's
    /// images belongs to.
    /// </summary>
    public int FirstImage { get; internal init; }

    /// <summary>
    /// The timestep t of the batch's images as they are now: below the model's T, and 0 when they are finished.
    /// </summary>
    public int Timestep { get; internal init; }

    /// <summary>
    /// Returns the images of the batch in progress as they are now, with their remaining noise. The caller owns them.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// The report has ended. Call this method while the progress is being reported.
    /// </exception>
    public IReadOnlyList<MLImage> ToImages() => _images();
}
