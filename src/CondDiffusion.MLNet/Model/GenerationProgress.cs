using Microsoft.ML.Data;

namespace CondDiffusion.MLNet;

/// <summary>The state of a generation after one of its steps.</summary>
public sealed class GenerationProgress
{
    private readonly Func<IReadOnlyList<MLImage>> _images;

    internal GenerationProgress(int step, int steps, int timestep, Func<IReadOnlyList<MLImage>> images)
    {
        Step = step;
        Steps = steps;
        Timestep = timestep;
        _images = images;
    }

    /// <summary>The step that has just ended, counted from 1.</summary>
    public int Step { get; }

    /// <summary>The number of steps in the generation.</summary>
    public int Steps { get; }

    /// <summary>
    /// The timestep t of the images as they are now: below the model's T, and 0 when the images are finished.
    /// </summary>
    public int Timestep { get; }

    /// <summary>Returns the images as they are now, with their remaining noise. The caller owns them.</summary>
    /// <exception cref="InvalidOperationException">
    /// The next step has begun. Call this method while the progress is being reported.
    /// </exception>
    public IReadOnlyList<MLImage> ToImages() => _images();
}
