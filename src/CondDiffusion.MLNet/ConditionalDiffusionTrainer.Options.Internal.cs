using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet;

public sealed partial class ConditionalDiffusionTrainer
{
    public sealed partial record Options
    {
        /// <summary>Returns the shape of the network for a number of labels.</summary>
        /// <exception cref="InvalidOperationException">The network would be too large for that many labels.</exception>
        internal UNetShape NetworkShape(int labels)
        {
            var shape = CreateShape(labels);
            var errors = new OptionErrors();
            shape.Check(errors, widths: nameof(ChannelWidths));
            if (errors.Text is { } text)
            {
                throw new InvalidOperationException(
                    $"Column '{LabelColumnName}' has too many labels for this network: {text} " +
                    $"Lower {nameof(EmbeddingSize)} or {nameof(ChannelWidths)}, or use fewer labels.");
            }

            return shape;
        }

        /// <summary>Returns what the training loop needs of the options.</summary>
        /// <param name="seed">The seed in use, which the options may leave open.</param>
        /// <param name="type">Data type in use, which the options may leave to the device.</param>
        internal TrainingSettings LoopSettings(ulong seed, ScalarType type) => new()
        {
            Epochs = Epochs,
            BatchSize = BatchSize,
            LearningRate = new(LearningRate, WarmUpSteps, CosineLearningRateDecay),
            Seed = seed,
            Target = Prediction,
            MinSnrGamma = MinSnrGamma,
            LabelDropout = LabelDropout,
            GradientClipNorm = GradientClipNorm,
            MovingAverageDecay = MovingAverageDecay,
            Type = type,
            ValidationFraction = ValidationFraction,
            ReportInterval = ProgressInterval,
        };

        /// <summary>Returns everything about the trained model except its weights.</summary>
        /// <param name="labels">Labels of the training data.</param>
        /// <param name="seed">The seed in use, which the options may leave open.</param>
        internal ModelDescription Describe(LabelVocabulary labels, ulong seed) => new()
        {
            Network = NetworkShape(labels.Count),
            Schedule = Schedule,
            ScalesVariances = true,
            Timesteps = Timesteps,
            Prediction = Prediction,
            GeneratesUnlabelled = LabelDropout > 0,
            Labels = labels,
            LabelColumnName = LabelColumnName,
            OutputColumnName = OutputColumnName,
            PixelsColumnName = PixelsColumnName,
            Sampling = Sampling,
            BatchSize = GenerationBatchSize,
            Seed = seed,
        };

        /// <summary>
        /// Returns everything that decides a training's result, by option name. A training can resume from a checkpoint
        /// only where both have the same.
        /// </summary>
        /// <param name="seed">The seed in use, which the options may leave open.</param>
        /// <param name="device">Device in use, of which only the kind matters.</param>
        /// <param name="type">Data type in use, which the options may leave to the device.</param>
        /// <param name="labels">Labels of the training data.</param>
        /// <param name="images">Images of the training data.</param>
        internal IReadOnlyDictionary<string, string> Identity(
            int seed, Device device, ScalarType type, LabelVocabulary labels, ImageStore images)
        {
            var identity = new Dictionary<string, string>
            {
                // Raise the number when a change of the library changes what a training with equal options ends with.
                [Checkpoint.Algorithm] = "1",
                [Checkpoint.Device] = $"{device.type}",
                [nameof(Channels)] = Text(Channels),
                [nameof(Height)] = Text(Height),
                [nameof(Width)] = Text(Width),
                [nameof(ChannelWidths)] = $"[{string.Join(", ", ChannelWidths.Select(width => Text(width)))}]",
                [nameof(EmbeddingSize)] = Text(EmbeddingSize),
                [nameof(Timesteps)] = Text(Timesteps),
                [nameof(Schedule)] = Schedule == BetaSchedule.Linear && Timesteps != 1000
                    ? $"{Schedule}, scaled by 1000 / T" // which it was not at first
                    : $"{Schedule}",
                [nameof(Prediction)] = $"{Prediction}",
                [nameof(MinSnrGamma)] = Text(MinSnrGamma),
                [nameof(LabelDropout)] = Text(LabelDropout),
                [nameof(BatchSize)] = Text(BatchSize),
                [nameof(LearningRate)] = Text(LearningRate),
                [nameof(WarmUpSteps)] = Text(WarmUpSteps),
                [nameof(CosineLearningRateDecay)] = $"{CosineLearningRateDecay}",
                [nameof(GradientClipNorm)] = Text(GradientClipNorm),
                [nameof(ValidationFraction)] = Text(ValidationFraction),
                [nameof(MovingAverageDecay)] = Text(MovingAverageDecay),
                [nameof(Precision)] = $"{type}",
                [nameof(Seed)] = Text(seed),
                ["labels"] = labels.Values is null ? $"{labels}" : $"{labels}, SHA-256 {Hash(labels.Values)}",
                ["images"] = $"{images.Count}, SHA-256 {images.Fingerprint}",
            };

            // A longer training begins with the steps of a shorter one, unless the learning rate depends on the number
            // of steps.
            if (CosineLearningRateDecay) identity[nameof(Epochs)] = Text(Epochs);

            return identity;
        }

        /// <summary>Checks every option.</summary>
        /// <exception cref="ArgumentException">
        /// At least one option is out of its range; the message names each one that is.
        /// </exception>
        internal void Validate()
        {
            var errors = new OptionErrors();

            errors.ColumnName(LabelColumnName);
            errors.ColumnName(FeatureColumnName);
            errors.ColumnName(OutputColumnName);
            errors.ColumnNameOrNull(PixelsColumnName);
            errors.AnotherColumn(PixelsColumnName, OutputColumnName);

            CreateShape(labels: 1).Check(errors, widths: nameof(ChannelWidths));

            errors.Positive(Timesteps, ModelLimits.Timesteps);
            errors.Defined(Schedule);
            errors.Defined(Prediction);
            errors.NotNegative(MinSnrGamma);
            errors.Fraction(LabelDropout);

            errors.Positive(Epochs);
            errors.Positive(BatchSize);
            errors.Positive(LearningRate);
            errors.NotNegative(WarmUpSteps);
            errors.NotNegative(GradientClipNorm);
            errors.Fraction(MovingAverageDecay);

            errors.Defined(Precision);
            errors.NotNegative(ImageMemory);

            errors.NotNegative(ProgressInterval);
            errors.PathOrNull(TensorBoardDirectory);
            errors.NotNegative(SampleEpochs);
            errors.ZeroUnless(Channels is 1 or 3, SampleEpochs, $"an image has {Channels} channels");
            errors.Fraction(ValidationFraction);

            errors.Defined(OnCancellation);
            errors.PathOrNull(CheckpointDirectory);
            errors.Positive(CheckpointInterval);
            errors.NotNegative(CheckpointSteps);
            errors.Positive(CheckpointsKept);

            errors.NotNull(Sampling);
            Sampling?.Check(errors, generatesUnlabelled: LabelDropout > 0, owner: nameof(Sampling));
            errors.PositiveOrNull(GenerationBatchSize, ModelLimits.BatchSize);

            if (errors.Text is { } text)
                throw new ArgumentException($"Invalid options for {nameof(ConditionalDiffusionTrainer)}: {text}");
        }

        private UNetShape CreateShape(int labels) =>
            new(Channels, Height, Width, labels, EmbeddingSize, ChannelWidths);

        private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);

        private static string Hash(IEnumerable<string> values) =>
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', values))));
    }
}
