using CondDiffusion.MLNet.Classification;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet;

public sealed partial class ConvolutionalNetworkTrainer
{
    /// <summary>
    /// Everything that can be chosen for the training of a classifier. The defaults suit grey images of 28 x 28 pixels,
    /// such as those of MNIST and Fashion-MNIST. docs/benchmarks.md has the accuracies.
    /// </summary>
    public sealed record Options : ImageTrainerOptions
    {
        /// <summary>Creates the default options.</summary>
        public Options()
        {
            Epochs = 10;
            WarmUpSteps = 100;
            LearningRateDecay = LearningRateDecay.Cosine;
        }

        // Columns

        /// <summary>A column with the weight of each image in the loss, a Single.</summary>
        /// <value>
        /// A column name, or null if every image has the weight 1. Weights are finite and not negative; their mean
        /// should be about 1, since they scale the gradient. An image of weight 0 still counts in the statistics of the
        /// batch norms. Default: null.
        /// </value>
        public string? ExampleWeightColumnName { get; init; }

        /// <summary>A column that says which images are generated, a Boolean.</summary>
        /// <value>
        /// A column name, or null for the column IsGenerated, which <see cref="ImageGenerationCatalog.Augment"/> adds:
        /// without a Boolean column of that name, all images are real. Default: null.
        /// </value>
        public string? IsGeneratedColumnName { get; init; }

        /// <summary>The key column that the fitted transformer adds, with the most probable label.</summary>
        /// <value>A column name. Default: "PredictedLabel".</value>
        public string PredictedLabelColumnName { get; init; } = "PredictedLabel";

        /// <summary>
        /// The vector column that the fitted transformer adds, with the probability of each label, in the order of the
        /// keys.
        /// </summary>
        /// <value>A column name. Default: "Score".</value>
        public string ScoreColumnName { get; init; } = "Score";

        /// <summary>
        /// A vector column that the fitted transformer adds, with the activations of the layer before the last one: the
        /// features by which <see cref="ImageGenerationCatalog.Evaluate"/> compares images.
        /// </summary>
        /// <value>A column name, or null for no such column. Default: null.</value>
        public string? FeaturesColumnName { get; init; }

        // Network

        /// <summary>
        /// Channels of each block of the network. Each block ends with a max pooling, which halves height and width.
        /// </summary>
        /// <value>From 1 to 16 numbers from 1 to 2^24. Default: 32, 64, 128.</value>
        public IReadOnlyList<int> ChannelWidths { get; init; } = [32, 64, 128];

        /// <summary>3x3 convolutions in a block, each followed by batch norm and ReLU.</summary>
        /// <value>From 1 to 16. Default: 2.</value>
        public int ConvolutionsPerBlock { get; init; } = 2;

        /// <summary>Features of an image: outputs of the layer before the last one.</summary>
        /// <value>From 1 to 2^24. Default: 256.</value>
        public int FeatureCount { get; init; } = 256;

        // Regularization

        /// <summary>Fraction of the features that each training step drops (Srivastava et al. 2014).</summary>
        /// <value>In [0, 1). Default: 0.5.</value>
        public double Dropout { get; init; } = 0.5;

        /// <summary>
        /// Fraction of each label that is spread evenly over all labels (Szegedy et al. 2016, arXiv 1512.00567, section
        /// 7).
        /// </summary>
        /// <value>In [0, 1). Default: 0.</value>
        public double LabelSmoothing { get; init; }

        // Augmentation

        /// <summary>
        /// Largest fraction of generated images among those of each label in an epoch. Where more of a label's images
        /// are generated, its real ones come more often and its generated ones less: with 0.5, 40 real images come as
        /// often in sum as 3,960 generated ones. An epoch has as many images as without.
        /// </summary>
        /// <value>In (0, 1), or null for images that come equally often. Default: 0.5.</value>
        public double? GeneratedFraction { get; init; } = 0.5;

        /// <summary>
        /// Largest shift of a training image along each axis, as a fraction of its side. Each image is shifted, rotated
        /// and scaled in a way of its own in each step; what comes in from outside has the values of the edge.
        /// </summary>
        /// <value>In [0, 1). Default: 0.</value>
        public double ShiftFraction { get; init; }

        /// <summary>Largest rotation of a training image in each direction, in degrees.</summary>
        /// <value>Finite and not negative. Default: 0.</value>
        public double RotationDegrees { get; init; }

        /// <summary>
        /// Largest change of a training image's size: it is scaled by a factor in [1 - ScaleFraction, 1 +
        /// ScaleFraction].
        /// </summary>
        /// <value>In [0, 1). Default: 0.</value>
        public double ScaleFraction { get; init; }

        /// <inheritdoc/>
        private protected override double OwnLearningRate => 2e-3;

        /// <inheritdoc/>
        private protected override IEnumerable<(string Name, string Value)> OwnIdentity =>
        [
            (nameof(ChannelWidths), Text(ChannelWidths)),
            (nameof(ConvolutionsPerBlock), Text(ConvolutionsPerBlock)),
            (nameof(FeatureCount), Text(FeatureCount)),
            (nameof(Dropout), Text(Dropout)),
            (nameof(LabelSmoothing), Text(LabelSmoothing)),
            (nameof(GeneratedFraction), GeneratedFraction is { } fraction ? Text(fraction) : "none"),
            (nameof(ShiftFraction), Text(ShiftFraction)),
            (nameof(RotationDegrees), Text(RotationDegrees)),
            (nameof(ScaleFraction), Text(ScaleFraction)),
        ];

        /// <summary>Returns everything about the trained model except its weights.</summary>
        /// <exception cref="InvalidOperationException">The network would be too large for that many labels.</exception>
        internal ClassifierDescription Describe(LabelVocabulary labels)
        {
            var shape = CreateShape(labels.Count);
            var errors = new OptionErrors();
            Check(shape, errors);
            if (errors.Text is { } text)
            {
                throw new InvalidOperationException(
                    $"Column '{LabelColumnName}' has too many labels for this network: {text} " +
                    $"Lower {nameof(FeatureCount)} or {nameof(ChannelWidths)}, or use fewer labels.");
            }

            return new()
            {
                Network = shape,
                Labels = labels,
                FeatureColumnName = FeatureColumnName,
                PredictedLabelColumnName = PredictedLabelColumnName,
                ScoreColumnName = ScoreColumnName,
                FeaturesColumnName = FeaturesColumnName,
            };
        }

        /// <summary>Returns what the training loop needs of the options.</summary>
        internal TrainingSettings LoopSettings(ulong seed, ScalarType type) => CommonSettings(seed, type) with
        {
            GeneratedFraction = GeneratedFraction,
        };

        /// <summary>Creates the loss of a network.</summary>
        internal ClassificationLoss CreateLoss(ClassifierNetwork network, ScalarType type) =>
            new(network, new(ShiftFraction, RotationDegrees, ScaleFraction), Dropout, LabelSmoothing, type);

        /// <summary>Checks every option.</summary>
        /// <exception cref="ArgumentException">
        /// At least one option is out of its range; the message names each one that is.
        /// </exception>
        internal void Validate()
        {
            var errors = new OptionErrors();

            CheckCommon(errors);
            errors.ColumnNameOrNull(ExampleWeightColumnName);
            errors.ColumnNameOrNull(IsGeneratedColumnName);
            errors.ColumnName(PredictedLabelColumnName);
            errors.ColumnName(ScoreColumnName);
            errors.AnotherColumn(ScoreColumnName, PredictedLabelColumnName);
            errors.ColumnNameOrNull(FeaturesColumnName);
            errors.AnotherColumn(FeaturesColumnName, PredictedLabelColumnName);
            errors.AnotherColumn(FeaturesColumnName, ScoreColumnName);

            Check(CreateShape(labels: 1), errors);

            errors.Fraction(Dropout);
            errors.Fraction(LabelSmoothing);
            errors.Check(
                GeneratedFraction is null or (> 0 and < 1),
                nameof(GeneratedFraction),
                "in (0, 1) or null",
                GeneratedFraction);
            errors.Fraction(ShiftFraction);
            errors.NotNegative(RotationDegrees);
            errors.Fraction(ScaleFraction);

            if (errors.Text is { } text)
                throw new ArgumentException($"Invalid options for {nameof(ConvolutionalNetworkTrainer)}: {text}");
        }

        private static void Check(ClassifierShape shape, OptionErrors errors) => shape.Check(
            errors, nameof(ChannelWidths), nameof(ConvolutionsPerBlock), nameof(FeatureCount));

        private ClassifierShape CreateShape(int labels) =>
            new(Channels, Height, Width, labels, ChannelWidths, ConvolutionsPerBlock, FeatureCount);
    }
}
