using CondDiffusion.MLNet.Model;
using Microsoft.ML;

namespace CondDiffusion.MLNet;

/// <summary>What <see cref="ImageGenerationCatalog.Augment"/> adds to data, and which images it accepts.</summary>
public sealed record AugmentationOptions
{
    // Columns

    /// <summary>The column with the label of each image: keys, texts, numbers or booleans.</summary>
    /// <value>A column name. Default: "Label".</value>
    public string LabelColumnName { get; init; } = "Label";

    /// <summary>
    /// The column with the images, or with vectors of Single: the values of the model's channels x height x width
    /// pixels, in [-1, 1]. Where the column states another size, generated images are cropped around their centre and
    /// resized.
    /// </summary>
    /// <value>A column name. Default: "Image".</value>
    public string ImageColumnName { get; init; } = "Image";

    /// <summary>
    /// The boolean column that is added: whether the row is a generated one. Data that has such a column already, since
    /// it was augmented before, keeps its values; all of its rows count as real.
    /// </summary>
    /// <value>A column name. Default: "IsGenerated".</value>
    public string IsGeneratedColumnName { get; init; } = "IsGenerated";

    // Rows

    /// <summary>How many images of each label are generated. Labels without a real image get none.</summary>
    /// <value>Default: <see cref="AugmentationAmount.Balance"/>.</value>
    public AugmentationAmount Amount { get; init; } = AugmentationAmount.Balance;

    /// <summary>The most generated images for each real one of a label, rounded down.</summary>
    /// <value>Positive and finite, or null for no bound. Default: null.</value>
    public double? MostPerReal { get; init; }

    /// <summary>Where the generated rows are.</summary>
    /// <value>Default: <see cref="AugmentationOrder.Interleaved"/>.</value>
    public AugmentationOrder Order { get; init; }

    /// <summary>
    /// Decides the noise of the generated images: the same seed gives the same images for the same data, and others
    /// when the result is augmented again.
    /// </summary>
    /// <value>
    /// Any number, or null for the seed of the <see cref="MLContext"/>, or 0 if it has none. Default: null.
    /// </value>
    public int? Seed { get; init; }

    /// <summary>
    /// Scale of classifier-free guidance of the generated images, as in <see cref="SamplingOptions.GuidanceScale"/>. A
    /// classifier learns more from diverse images than from typical ones, so keep it small.
    /// </summary>
    /// <value>
    /// In [0, 1000], or null for 1.25 where the model can be guided and 1 where it cannot. Default: null.
    /// </value>
    public double? GuidanceScale { get; init; }

    // Filter

    /// <summary>
    /// A model that classifies rows with the columns of the data. An image whose label it disputes is refused, and
    /// another one is generated in its place.
    /// </summary>
    /// <value>
    /// A transformer that adds <see cref="PredictedLabelColumnName"/> and <see cref="ScoreColumnName"/>, or null to
    /// accept every image. Default: null.
    /// </value>
    public ITransformer? Classifier { get; init; }

    /// <summary>The column of the classifier with the label that it sees.</summary>
    /// <value>A column name. Default: "PredictedLabel".</value>
    public string PredictedLabelColumnName { get; init; } = "PredictedLabel";

    /// <summary>The column of the classifier with the probability of each label, a vector of Single.</summary>
    /// <value>A column name. Default: "Score".</value>
    public string ScoreColumnName { get; init; } = "Score";

    /// <summary>The probability that the classifier must give to an image's label to accept it.</summary>
    /// <value>In [0, 1). Default: 0.5.</value>
    public double LeastProbability { get; init; } = 0.5;

    /// <summary>
    /// Refuses near copies: images whose distance from the nearest real image is at most this multiple of the distance
    /// of that image from the nearest other real one. With 1, it refuses the images
    /// that <see cref="ImageGenerationMetrics.Authenticity"/> does not count; many real images would be refused, too.
    /// Unlike there, equal real images count as one. The images are compared by their pixels. The real ones are kept in
    /// memory, 4 bytes for each value, as long as the view is.
    /// </summary>
    /// <value>Finite and not negative; 0 accepts near copies. Default: 0.</value>
    public double CopyDistance { get; init; }

    /// <summary>
    /// The most images that are generated for a row. If all of them are refused, reading ends with an error.
    /// </summary>
    /// <value>At least 1. Default: 20.</value>
    public int MostAttempts { get; init; } = 20;

    // Observation

    /// <summary>Receives the counts after each batch of images, on the thread that reads the data.</summary>
    /// <value>Default: null.</value>
    public IProgress<AugmentationProgress>? Progress { get; init; }

    /// <summary>Cancels the reading of generated images, within a step of the sampler.</summary>
    /// <value>Default: none.</value>
    public CancellationToken CancellationToken { get; init; }

    /// <exception cref="ArgumentException">An option is out of its range; the message names each one.</exception>
    internal void Validate()
    {
        var errors = new OptionErrors();
        errors.ColumnName(LabelColumnName);
        errors.ColumnName(ImageColumnName);
        errors.ColumnName(IsGeneratedColumnName);
        errors.AnotherColumn(ImageColumnName, LabelColumnName);
        errors.AnotherColumn(IsGeneratedColumnName, LabelColumnName);
        errors.AnotherColumn(IsGeneratedColumnName, ImageColumnName);
        errors.NotNull(Amount);
        if (MostPerReal is { } ratio) errors.Positive(ratio, nameof(MostPerReal));
        errors.Defined(Order);
        errors.ScaleOrNull(GuidanceScale);
        errors.ColumnName(PredictedLabelColumnName);
        errors.ColumnName(ScoreColumnName);
        errors.Fraction(LeastProbability);
        errors.NotNegative(CopyDistance);
        errors.Positive(MostAttempts);
        if (errors.Text is { } text) throw new ArgumentException(text, "options");
    }
}
