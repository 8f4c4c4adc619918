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
        internal UNetShape NetworkShape(int labels) => new(Channels, Height, Width, labels, EmbeddingSize, ChannelWidths);

        /// <summary>What the training loop needs to know of the options.</summary>
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

        /// <summary>Everything about the trained model but its weights.</summary>
        internal ModelDescription Describe(LabelVocabulary labels, ulong seed) => new()
        {
            Network = NetworkShape(labels.Count),
            Schedule = Schedule,
            Timesteps = Timesteps,
            Prediction = Prediction,
            DrawsUnlabelled = LabelDropout > 0,
            Labels = labels,
            LabelColumnName = LabelColumnName,
            OutputColumnName = OutputColumnName,
            PixelsColumnName = PixelsColumnName,
            SeedColumnName = SeedColumnName,
            Sampling = Sampling,
            BatchSize = GenerationBatchSize,
            Seed = seed,
        };

        /// <summary>Everything that decides a training's result, by option name: what a training must share with a checkpoint that it resumes.</summary>
        /// <param name="seed">The seed in use, which the options may leave open.</param>
        /// <param name="type">The number format in use.</param>
        /// <param name="labels">The labels.</param>
        /// <param name="images">The images.</param>
        internal IReadOnlyDictionary<string, string> Identity(int seed, ScalarType type, LabelVocabulary labels, ImageStore images)
        {
            var identity = new Dictionary<string, string>
            {
                [nameof(Channels)] = Text(Channels),
                [nameof(Height)] = Text(Height),
                [nameof(Width)] = Text(Width),
                [nameof(ChannelWidths)] = $"[{string.Join(", ", ChannelWidths.Select(width => Text(width)))}]",
                [nameof(EmbeddingSize)] = Text(EmbeddingSize),
                [nameof(Timesteps)] = Text(Timesteps),
                [nameof(Schedule)] = $"{Schedule}",
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
            // The steps of a longer training begin with those of a shorter one, unless the learning rate depends on how long it is.
            if (CosineLearningRateDecay) identity[nameof(Epochs)] = Text(Epochs);
            return identity;
        }

        /// <exception cref="ArgumentException">An option is out of its range; the message names every one that is.</exception>
        internal void Validate()
        {
            var errors = new OptionErrors();
            void Check(bool valid, string option, string expected, object? found) => errors.Check(valid, option, expected, found);

            void Name(string? name, string option, string expected = "a column name") =>
                Check(!string.IsNullOrWhiteSpace(name), option, expected, $"\"{name}\"");
            Name(LabelColumnName, nameof(LabelColumnName));
            Name(FeatureColumnName, nameof(FeatureColumnName));
            Name(OutputColumnName, nameof(OutputColumnName));
            if (PixelsColumnName is not null) Name(PixelsColumnName, nameof(PixelsColumnName));
            if (SeedColumnName is not null) Name(SeedColumnName, nameof(SeedColumnName));
            Check(PixelsColumnName != OutputColumnName, nameof(PixelsColumnName), "another column than OutputColumnName", PixelsColumnName);

            void Positive(int value, string option) => Check(value >= 1, option, "at least 1", value);
            Positive(Channels, nameof(Channels));
            Check(UNetShape.IsSide(Height), nameof(Height), "a positive multiple of 4", Height);
            Check(UNetShape.IsSide(Width), nameof(Width), "a positive multiple of 4", Width);
            Check(
                (Int128)Channels * Height * Width <= UNetShape.MostPixels, $"{nameof(Channels)} x {nameof(Height)} x {nameof(Width)}",
                $"at most {UNetShape.MostPixels} values", $"{Channels} x {Height} x {Width}");
            Check(
                ChannelWidths is { Count: 3 } && ChannelWidths.All(width => width >= 1), nameof(ChannelWidths), "three positive numbers",
                ChannelWidths is null ? null : $"[{string.Join(", ", ChannelWidths)}]");
            Positive(EmbeddingSize, nameof(EmbeddingSize));
            Positive(Timesteps, nameof(Timesteps));
            Positive(Epochs, nameof(Epochs));
            Positive(BatchSize, nameof(BatchSize));
            Check(ImageMemory >= 0, nameof(ImageMemory), "not negative", ImageMemory);
            Check(LearningRate > 0 && double.IsFinite(LearningRate), nameof(LearningRate), "positive and finite", LearningRate);
            Check(Enum.IsDefined(Schedule), nameof(Schedule), "a value of its type", Schedule);
            Check(Enum.IsDefined(Prediction), nameof(Prediction), "a value of its type", Prediction);
            void NotNegative(double value, string option) => Check(value >= 0 && double.IsFinite(value), option, "finite and not negative", value);
            void Share(double value, string option) => Check(value is >= 0 and < 1, option, "in [0, 1)", value);
            NotNegative(MinSnrGamma, nameof(MinSnrGamma));
            Share(LabelDropout, nameof(LabelDropout));
            NotNegative(WarmUpSteps, nameof(WarmUpSteps));
            NotNegative(GradientClipNorm, nameof(GradientClipNorm));
            Share(ValidationFraction, nameof(ValidationFraction));
            NotNegative(ProgressInterval.TotalSeconds, nameof(ProgressInterval));
            Share(MovingAverageDecay, nameof(MovingAverageDecay));
            Check(Enum.IsDefined(Precision), nameof(Precision), "a value of its type", Precision);
            if (GenerationBatchSize is { } generated) Positive(generated, nameof(GenerationBatchSize));
            if (TensorBoardDirectory is not null) Name(TensorBoardDirectory, nameof(TensorBoardDirectory), "a directory's path or null");
            NotNegative(SampleEpochs, nameof(SampleEpochs));
            Check(SampleEpochs == 0 || Channels is 1 or 3, nameof(SampleEpochs), $"0 where an image has {Channels} channels", SampleEpochs);
            Check(Enum.IsDefined(OnCancellation), nameof(OnCancellation), "a value of its type", OnCancellation);
            if (CheckpointDirectory is not null) Name(CheckpointDirectory, nameof(CheckpointDirectory), "a directory's path or null");
            Check(CheckpointInterval > TimeSpan.Zero, nameof(CheckpointInterval), "positive", CheckpointInterval);
            NotNegative(CheckpointSteps, nameof(CheckpointSteps));
            Positive(CheckpointsKept, nameof(CheckpointsKept));

            Check(Sampling is not null, nameof(Sampling), "given", null);
            Sampling?.Check(errors, LabelDropout > 0, $"{nameof(Sampling)}.");

            if (errors.Text is { } text) throw new ArgumentException($"Invalid options for {nameof(ConditionalDiffusionTrainer)}: {text}");
        }

        private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);

        private static string Hash(IEnumerable<string> values) =>
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', values))));
    }
}
