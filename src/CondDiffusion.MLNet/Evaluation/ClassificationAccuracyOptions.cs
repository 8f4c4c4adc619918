using CondDiffusion.MLNet.Model;
using Microsoft.ML;

namespace CondDiffusion.MLNet;

/// <summary>What <see cref="ImageGenerationCatalog.ClassificationAccuracyScore"/> trains on, and how.</summary>
/// <remarks>
/// The defaults are a protocol for MNIST that others have used: 1,000 images of each label, 20 epochs, batches of 64,
/// Adam at 1e-3 with cosine decay, three convolutions of 32, 64 and 128 channels with batch norm, and dropout of one
/// half before the last layer. The accuracy depends on all of these, so state them with the result.
/// </remarks>
public sealed record ClassificationAccuracyOptions
{
    /// <summary>
    /// Name of the label column, in all views: keys, texts, numbers or booleans. In the generated data it is the label
    /// that was asked for. Labels are compared as text, keys by their values.
    /// </summary>
    /// <value>A column name. Default: Label.</value>
    public string LabelColumnName { get; init; } = "Label";

    /// <summary>
    /// Name of the column of images, in all views: images of any size, or vectors of the <see cref="Classifier"/>'s
    /// channels x height x width with values in [-1, 1].
    /// </summary>
    /// <value>A column name. Default: Image.</value>
    public string ImageColumnName { get; init; } = "Image";

    /// <summary>
    /// Real images to train on for the ceiling: of each label, as many of the first as there are generated ones, or all
    /// where there are fewer.
    /// </summary>
    /// <value>A view with the same columns, or null for no ceiling. Default: null.</value>
    public IDataView? RealData { get; init; }

    /// <summary>Generated images of each label to train on, the first ones.</summary>
    /// <value>At least 1; of a label that has fewer, all are used. Default: 1,000.</value>
    public int ImagesPerLabel { get; init; } = 1000;

    /// <summary>Trainings, each with another seed, whose accuracies are averaged.</summary>
    /// <value>At least 1. Default: 3.</value>
    public int Trainings { get; init; } = 3;

    /// <summary>
    /// The classifier and its training. Its columns are replaced; its seed is that of the first training, and the next
    /// ones count up from it.
    /// </summary>
    /// <value>Without a checkpoint directory, which can hold only one training. Default: see the remarks.</value>
    public ConvolutionalNetworkTrainer.Options Classifier { get; init; } = new()
    {
        ChannelWidths = [32, 64, 128],
        ConvolutionsPerBlock = 1,
        Dropout = 0.5,
        Epochs = 20,
        BatchSize = 64,
        LearningRate = 1e-3,
        WarmUpSteps = 0,
        LearningRateDecay = LearningRateDecay.Cosine,
    };

    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    internal void Validate()
    {
        var errors = new OptionErrors();
        errors.ColumnName(LabelColumnName);
        errors.ColumnName(ImageColumnName);
        errors.Positive(ImagesPerLabel);
        errors.Positive(Trainings);
        errors.NotNull(Classifier);
        errors.In(nameof(Classifier)).Check(
            Classifier?.CheckpointDirectory is null,
            nameof(Classifier.CheckpointDirectory),
            "null, since there are several trainings",
            $"\"{Classifier?.CheckpointDirectory}\"");
        if (errors.Text is { } text) throw new ArgumentException(text, "options");

        Classifier!.Validate();
    }
}
