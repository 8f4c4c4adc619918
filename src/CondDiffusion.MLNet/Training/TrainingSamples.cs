using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The sample images that a training generates now and then, always of the same labels from the same noise.
/// </summary>
/// <param name="network">The network in training.</param>
/// <param name="loop">The training.</param>
/// <param name="model">Everything about the trained model but its weights.</param>
/// <param name="epochs">The number of epochs between two sets of samples.</param>
/// <param name="checkAlive">Called before each step of the sampler. It throws to stop the generation.</param>
internal sealed class TrainingSamples(
    ConditionalUNet network, TrainingLoop loop, ModelDescription model, int epochs, Action checkAlive)
{
    /// <summary>
    /// The number of noises, which are the same for every label: a grid with a column for each label has a row for each
    /// noise.
    /// </summary>
    public const int ImagesPerLabel = 4;

    private const int MaxLabels = 10;

    /// <summary>Returns whether samples are due with a report.</summary>
    public bool IsDue(TrainingProgress progress) => progress.EndsEpoch && progress.Epoch % epochs == 0;

    /// <summary>Generates the samples with the averaged weights, ordered by noise and then by label.</summary>
    public IReadOnlyList<MLImage> Generate()
    {
        var (parameters, buffers) = loop.Averaged;
        using var generator = new ImageGenerator(
            new(network.CopyWith(parameters, buffers)), model, checkAlive, typeof(TrainingSamples));

        var labels = Math.Min(model.Labels.Count, MaxLabels);
        var rows =
            from noise in Enumerable.Range(0, ImagesPerLabel)
            from label in Enumerable.Range(0, labels)
            select new Condition(label, (uint)noise, model.GuidanceScale);
        return PixelConversion.ToImages(generator.GenerateBatches([.. rows]), model.Network.ToImageShape());
    }
}
