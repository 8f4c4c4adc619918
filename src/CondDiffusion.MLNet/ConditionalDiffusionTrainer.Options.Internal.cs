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
        internal DiffusionSettings LoopSettings(ulong seed, ScalarType type) => new(CommonSettings(seed, type))
        {
            Target = Prediction,
            MinSnrGamma = MinSnrGamma,
            LabelDropout = LabelDropout,
            LabelSharing = LabelSharing,
            TimestepSampling = TimestepSampling,
            NoiseLevelMean = NoiseLevelMean,
            NoiseLevelDeviation = NoiseLevelDeviation,
            Augmentation = Augmentation,
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
            Sampling = Sampling.ResolveGuidance(LabelDropout > 0),
            BatchSize = GenerationBatchSize,
            Seed = seed,
        };

        private AffineAugmentation Augmentation =>
            new(ShiftFraction, RotationDegrees, ScaleFraction, AugmentationFraction);

        /// <inheritdoc/>
        private protected override double OwnLearningRate => InitialModel is null ? 1e-3 : 3e-3;

        /// <inheritdoc/>
        private protected override IEnumerable<(string Name, string Value)> OwnIdentity =>
        [
            (nameof(Architecture), $"{Architecture}"),
            (nameof(ChannelWidths), Text(CreateShape(labels: 1).Widths)),
            (nameof(EmbeddingSize), Text(EmbeddingSize)),
            (nameof(InitialModel), InitialModel?.Fingerprint ?? "none"),
            (nameof(Timesteps), Text(Timesteps)),
            (nameof(Schedule), Schedule == BetaSchedule.Linear && Timesteps != 1000
                ? $"{Schedule}, scaled by 1000 / T" // which it was not at first
                : $"{Schedule}"),
            (nameof(Prediction), $"{Prediction}"),
            (nameof(MinSnrGamma), Text(MinSnrGamma)),
            (nameof(LabelDropout), Text(LabelDropout)),
            (nameof(LabelSharing), Text(LabelSharing)),
            (nameof(TimestepSampling), $"{TimestepSampling}"),
            (nameof(NoiseLevelMean), Text(NoiseLevelMean)),
            (nameof(NoiseLevelDeviation), Text(NoiseLevelDeviation)),
            (nameof(ShiftFraction), Text(ShiftFraction)),
            (nameof(RotationDegrees), Text(RotationDegrees)),
            (nameof(ScaleFraction), Text(ScaleFraction)),
            (nameof(AugmentationFraction), Text(AugmentationFraction)),
        ];

        /// <summary>Checks every option.</summary>
        /// <exception cref="ArgumentException">
        /// At least one option is out of its range; the message names each one that is.
        /// </exception>
        internal void Validate()
        {
            var errors = new OptionErrors();

            CheckCommon(errors);
            errors.ColumnName(OutputColumnName);
            errors.ColumnNameOrNull(PixelsColumnName);
            errors.AnotherColumn(PixelsColumnName, OutputColumnName);

            CreateShape(labels: 1).Check(errors, widths: nameof(ChannelWidths));

            errors.Positive(Timesteps, ModelLimits.Timesteps);
            errors.Defined(Schedule);
            errors.Defined(Prediction);
            errors.NotNegative(MinSnrGamma);
            errors.Fraction(LabelDropout);
            errors.NotNegative(LabelSharing);
            errors.Defined(TimestepSampling);
            errors.Finite(NoiseLevelMean);
            errors.Positive(NoiseLevelDeviation);
            errors.Fraction(ShiftFraction);
            errors.NotNegative(RotationDegrees);
            errors.Fraction(ScaleFraction);
            errors.Fraction(AugmentationFraction);

            errors.NotNegative(SampleEpochs);
            errors.ZeroUnless(Channels is 1 or 3, SampleEpochs, $"an image has {Channels} channels");

            errors.NotNull(Sampling);
            Sampling?.Check(errors, generatesUnlabelled: LabelDropout > 0, owner: nameof(Sampling));
            errors.PositiveOrNull(GenerationBatchSize, ModelLimits.BatchSize);

            if (errors.Text is { } text)
                throw new ArgumentException($"Invalid options for {nameof(ConditionalDiffusionTrainer)}: {text}");
        }

        private UNetShape CreateShape(int labels)
        {
            var widths = ChannelWidths ?? UNetForm.Find(Architecture)?.DefaultWidths ?? [];
            return new(Channels, Height, Width, labels, EmbeddingSize, widths)
            {
                Architecture = Architecture,
                TakesTransform = !Augmentation.IsIdentity,
            };
        }
    }
}
