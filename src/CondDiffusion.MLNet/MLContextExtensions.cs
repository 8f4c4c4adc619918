using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using MulticlassTrainers = Microsoft.ML.MulticlassClassificationCatalog.MulticlassClassificationTrainers;

namespace CondDiffusion.MLNet;

/// <summary>Adds this library's catalog to <see cref="MLContext"/>, and its classifier to ML.NET's catalog.</summary>
public static class MLContextExtensions
{
    extension(MLContext context)
    {
        /// <summary>Gets the catalog of trainers and operations for generating labelled images.</summary>
        public ImageGenerationCatalog ImageGeneration => new(context);
    }

    /// <summary>
    /// Creates a trainer of a convolutional image classifier with default options, for grey images of 28 x 28 pixels.
    /// </summary>
    /// <param name="catalog">The catalog, <c>mlContext.MulticlassClassification.Trainers</c>.</param>
    /// <param name="labelColumnName">Name of the key column that holds each image's label.</param>
    /// <param name="featureColumnName">
    /// Name of the column that holds the images: either float vectors [1, 28, 28] with values in [-1, 1], or images,
    /// which the trainer and the model resize and scale as <see cref="TransformsExtensions.NormalizeImages"/> does.
    /// Name the images rather than the vectors that it creates: a fitted chain has those in training only.
    /// </param>
    /// <param name="exampleWeightColumnName">
    /// Name of the column with the weight of each image; null if every image has the weight 1.
    /// </param>
    /// <returns>The trainer, to append to a pipeline.</returns>
    /// <exception cref="ArgumentException">A column name is empty.</exception>
    public static ConvolutionalNetworkTrainer ConvolutionalNetwork(
        this MulticlassTrainers catalog,
        string labelColumnName = "Label",
        string featureColumnName = "Pixels",
        string? exampleWeightColumnName = null) =>
        ConvolutionalNetwork(catalog, new()
        {
            LabelColumnName = labelColumnName,
            FeatureColumnName = featureColumnName,
            ExampleWeightColumnName = exampleWeightColumnName,
        });

    /// <summary>Creates a trainer of a convolutional image classifier.</summary>
    /// <param name="catalog">The catalog, <c>mlContext.MulticlassClassification.Trainers</c>.</param>
    /// <param name="options">The options of the images, the network and the training.</param>
    /// <returns>The trainer, to append to a pipeline.</returns>
    /// <exception cref="ArgumentException">
    /// An option is out of its range; the message lists every invalid option.
    /// </exception>
    public static ConvolutionalNetworkTrainer ConvolutionalNetwork(
        this MulticlassTrainers catalog, ConvolutionalNetworkTrainer.Options options)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new(MLNetInternals.Environment(catalog), options);
    }
}
