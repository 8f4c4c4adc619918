using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Model;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Training;

/// <summary>Pictures that a training draws now and then, always of the same labels from the same noise.</summary>
/// <param name="loop">The training.</param>
/// <param name="model">What it trains.</param>
/// <param name="epochs">Epochs between two draws.</param>
/// <param name="checkAlive">Called before each step of the drawing; it throws to stop.</param>
internal sealed class TrainingSamples(TrainingLoop loop, ModelDescription model, int epochs, Action checkAlive)
{
    /// <summary>The same noise for every label: a grid with a column for each label has a row for each noise.</summary>
    public const int PicturesPerLabel = 4;

    private const int LabelsAtMost = 10;

    /// <summary>Whether samples are due with a report.</summary>
    public bool IsDue(TrainingProgress progress) => progress.EndsEpoch && progress.Epoch % epochs == 0;

    /// <summary>Draws them with the averaged weights, noise by noise, label by label.</summary>
    public IReadOnlyList<MLImage> Draw()
    {
        using var generator = new ImageGenerator(new(loop.CopyAveraged()), model, checkAlive, typeof(TrainingSamples));
        var labels = Math.Min(model.Labels.Count, LabelsAtMost);
        var pixels = generator.Generate([.. Enumerable.Range(0, PicturesPerLabel * labels).Select(i =>
            new Condition(i % labels, (uint)(i / labels), model.GuidanceScale))]);
        return PixelConversion.ToImages(pixels, model.Network.ToImageShape());
    }
}
