using Microsoft.ML.Data;

namespace CondDiffusion.MLNet;

/// <summary>How a drawing stands after one of its steps.</summary>
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

    /// <summary>The step that is done, from 1.</summary>
    public int Step { get; }

    /// <summary>Steps of the drawing.</summary>
    public int Steps { get; }

    /// <summary>The timestep t whose x_t the pictures are now, T at most: 0 when they are done.</summary>
    public int Timestep { get; }

    /// <summary>The pictures as they are now, noise and all. The images are the caller's.</summary>
    /// <exception cref="InvalidOperationException">The next step has begun: the pictures are to be had while the progress is reported.</exception>
    public IReadOnlyList<MLImage> ToImages() => _images();
}
