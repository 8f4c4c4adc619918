using CondDiffusion.MLNet;
using Microsoft.ML;

namespace CondDiffusion.Examples;

/// <summary>
/// The classifier by whose features images are compared: trained on the training images of a data set, and kept in a
/// model file.
/// </summary>
internal static class ReferenceClassifier
{
    public const string Features = "Features";
    public const string PredictedLabel = "PredictedLabel";

    /// <summary>Loads the classifier, or trains and saves it where the file is missing.</summary>
    /// <param name="ml">The context.</param>
    /// <param name="training">The training images, with the columns Label and Image.</param>
    /// <param name="form">The form of the images that it sees; others are brought to it.</param>
    /// <param name="file">The model file.</param>
    /// <param name="cancellationToken">Ends the training.</param>
    public static ITransformer LoadOrTrain(
        MLContext ml, IDataView training, ImageForm form, string file, CancellationToken cancellationToken)
    {
        if (File.Exists(file)) return ModelFile.Load(ml, file);

        ModelFile.CheckWritable(file, "--classifier");
        Console.Error.WriteLine($"Training the reference classifier, which goes to {file}.");
        var trainer = ml.MulticlassClassification.Trainers.ConvolutionalNetwork(new ConvolutionalNetworkTrainer.Options
        {
            LabelColumnName = "Key",
            FeatureColumnName = "Image",
            FeaturesColumnName = Features,
            PredictedLabelColumnName = PredictedLabel,
            Height = form.Height,
            Width = form.Width,
            Channels = form.Channels,
            Epochs = 6,
            ShiftFraction = 0.07,
            RotationDegrees = 5,
            ScaleFraction = 0.07,
            Seed = 1,
            Progress = new ProgressBar(Console.Error),
            CancellationToken = cancellationToken,
        });
        var pipeline = ml.Transforms.Conversion.MapValueToKey("Key", "Label").Append(trainer);
        var model = pipeline.Fit(training).LastTransformer;
        ModelFile.Save(ml, model, file);
        return model;
    }
}
