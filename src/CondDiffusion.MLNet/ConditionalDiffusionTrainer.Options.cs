namespace CondDiffusion.MLNet;

public sealed partial class ConditionalDiffusionTrainer
{
    /// <summary>
    /// Every choice of a training. The defaults are the method's (grey 32 x 32 images, 1,000 timesteps, 50 epochs), but for what was measured to
    /// draw better: docs/training.md has the measurement, and the options that give the method exactly.
    /// </summary>
    public sealed partial record Options
    {
        /// <summary>The key column with each image's label. Default: "Label".</summary>
        public string LabelColumnName { get; init; } = "Label";

        /// <summary>
        /// The column with the training images: a float vector of <see cref="Channels"/> x <see cref="Height"/> x <see cref="Width"/> values
        /// in [-1, 1], plane by plane, or an image column of any size, which is resized and scaled to that. Default: "Pixels".
        /// </summary>
        public string FeatureColumnName { get; init; } = "Pixels";

        /// <summary>The image column that the fitted transformer adds. Default: "GeneratedImage".</summary>
        public string OutputColumnName { get; init; } = "GeneratedImage";

        /// <summary>
        /// A second column that the fitted transformer adds, with the same picture as a float vector [C, H, W] in [-1, 1]; null for none.
        /// Default: null.
        /// </summary>
        public string? PixelsColumnName { get; init; }

        /// <summary>
        /// A column of the data to be transformed, of type Int64, whose value decides a row's noise in place of the row's id: equal seeds
        /// and labels give equal pictures, whatever else the data holds. Data without that column, as the training data may be, goes by
        /// the row ids. Null for none. Default: null.
        /// </summary>
        public string? SeedColumnName { get; init; }

        /// <summary>Channels of an image, C: for image columns, 1 (grey) or 3 (red, green, blue). At least 1. Default: 1.</summary>
        public int Channels { get; init; } = 1;

        /// <summary>Rows of an image, H; a positive multiple of 4. Default: 32.</summary>
        public int Height { get; init; } = 32;

        /// <summary>Columns of an image, W; a positive multiple of 4. Default: 32.</summary>
        public int Width { get; init; } = 32;

        /// <summary>Feature channels of the U-Net at full, half and quarter resolution; three positive numbers. Default: 64, 128, 256.</summary>
        public IReadOnlyList<int> ChannelWidths { get; init; } = [64, 128, 256];

        /// <summary>Size of the time and label embedding, D. At least 1. Default: 100.</summary>
        public int EmbeddingSize { get; init; } = 100;

        /// <summary>Steps of the noise schedule, T (Ho et al. 2020, arXiv 2006.11239). At least 1. Default: 1,000.</summary>
        public int Timesteps { get; init; } = 1000;

        /// <summary>How the noise grows over the timesteps. Default: <see cref="BetaSchedule.Linear"/>.</summary>
        public BetaSchedule Schedule { get; init; } = BetaSchedule.Linear;

        /// <summary>What the network predicts. Default: <see cref="PredictionTarget.Velocity"/>; the method's is the noise.</summary>
        public PredictionTarget Prediction { get; init; } = PredictionTarget.Velocity;

        /// <summary>
        /// The most that a timestep's signal-to-noise ratio counts in the loss (min-SNR weighting, Hang et al. 2023, arXiv 2303.09556, where it
        /// is 5). Not negative; 0 turns it off. Default: 0.
        /// </summary>
        public double MinSnrGamma { get; init; }

        /// <summary>
        /// The share of training images whose label is hidden, so that the network also learns to draw without one: what classifier-free
        /// guidance and missing labels need (Ho and Salimans 2022, arXiv 2207.12598, algorithm 1). In [0, 1); 0 turns it off. Default: 0.1.
        /// </summary>
        public double LabelDropout { get; init; } = 0.1;

        /// <summary>Passes over the training images. At least 1. Default: 50.</summary>
        public int Epochs { get; init; } = 50;

        /// <summary>Images in a training step. At least 1. Default: 128.</summary>
        public int BatchSize { get; init; } = 128;

        /// <summary>
        /// The most memory that the training images may take, in bytes: one for each value of an 8-bit image, four for any other. Those beyond it
        /// are in a file in <see cref="Microsoft.ML.MLContext.TempFilePath"/>, which is gone when the training ends, however it ends. Not negative;
        /// 0 puts all on disk but a buffer. Default: 2^30 (1 GiB), a million grey 8-bit images of 32 x 32.
        /// </summary>
        public long ImageMemory { get; init; } = 1L << 30;

        /// <summary>Adam's learning rate. Positive and finite. Default: 5e-4.</summary>
        public double LearningRate { get; init; } = 5e-4;

        /// <summary>Steps over which the learning rate first grows from 0, linearly. Not negative. Default: 0.</summary>
        public int WarmUpSteps { get; init; }

        /// <summary>Whether the learning rate falls to 0 as half a cosine after the warm-up, rather than staying. Default: false.</summary>
        public bool CosineLearningRateDecay { get; init; }

        /// <summary>The most that a step's gradient norm may be: longer gradients are shortened. Not negative; 0 turns it off. Default: 0.</summary>
        public double GradientClipNorm { get; init; }

        /// <summary>
        /// The share of the images that are not trained on but held out for <see cref="TrainingProgress.ValidationLoss"/>, chosen by the seed.
        /// In [0, 1). Default: 0.
        /// </summary>
        public double ValidationFraction { get; init; }

        /// <summary>
        /// What an exponential moving average of the weights and batch-norm statistics keeps of itself at each step, after a warm-up; the
        /// fitted transformer has the average, which draws better pictures than the last weights. In [0, 1); 0 turns it off. Default: 0.999.
        /// </summary>
        public double MovingAverageDecay { get; init; } = 0.999;

        /// <summary>The number format of the convolutions in training. Default: <see cref="Precision.Auto"/>.</summary>
        public Precision Precision { get; init; } = Precision.Auto;

        /// <summary>
        /// How the fitted transformer draws; <see cref="ImageGenerationCatalog.WithSampling"/> changes it later. Default: 20 steps of
        /// <see cref="Sampler.DpmSolver"/>.
        /// </summary>
        public SamplingOptions Sampling { get; init; } = new();

        /// <summary>
        /// Images that the fitted transformer generates at a time. At least 1. Null: on a CPU 32, on a GPU up to 256, and fewer where memory is
        /// short. Default: null.
        /// </summary>
        public int? GenerationBatchSize { get; init; }

        /// <summary>
        /// Decides the initial weights, the order of the images, the noise in training and the noise in generation. Null: the seed of the
        /// <see cref="Microsoft.ML.MLContext"/>, and a random one if that has none. Default: null.
        /// </summary>
        public int? Seed { get; init; }

        /// <summary>
        /// Is told how the training stands, on the training thread: every <see cref="ProgressInterval"/>, and at each epoch's end.
        /// Default: null.
        /// </summary>
        public IProgress<TrainingProgress>? Progress { get; init; }

        /// <summary>The least time between two reports, which wait for the device. Not negative; 0 reports each step. Default: 0.2 s.</summary>
        public TimeSpan ProgressInterval { get; init; } = TimeSpan.FromSeconds(0.2);

        /// <summary>A directory for TensorBoard's event files, with what <see cref="Progress"/> is told; null for none. Default: null.</summary>
        public string? TensorBoardDirectory { get; init; }

        /// <summary>
        /// At the end of every how many epochs to draw <see cref="TrainingProgress.Samples"/>: four pictures of each of the first ten labels,
        /// always from the same noise. Not negative; 0 for never. Default: 0.
        /// </summary>
        public int SampleEpochs { get; init; }

        /// <summary>Ends the training within a step, as <see cref="OnCancellation"/> says. Default: none.</summary>
        public CancellationToken CancellationToken { get; init; }

        /// <summary>What becomes of a cancelled training. Default: <see cref="CancellationBehavior.Throw"/>.</summary>
        public CancellationBehavior OnCancellation { get; init; }

        /// <summary>
        /// A directory for checkpoints, of this training alone: from them the same training, run again, goes on where it was stopped, and
        /// ends with the very weights of one never stopped. It refuses checkpoints of other options or data. Null for none. Default: null.
        /// </summary>
        public string? CheckpointDirectory { get; init; }

        /// <summary>The most time between two checkpoints, to the step. Positive. Default: 10 minutes.</summary>
        /// <remarks>There is one more where the training ends or is cancelled. A checkpoint takes 16 bytes a parameter.</remarks>
        public TimeSpan CheckpointInterval { get; init; } = TimeSpan.FromMinutes(10);

        /// <summary>The most steps between two checkpoints. Not negative; 0 for any number. Default: 0.</summary>
        public int CheckpointSteps { get; init; }

        /// <summary>How many of the newest checkpoints stay. At least 1. Default: 3.</summary>
        public int CheckpointsKept { get; init; } = 3;
    }
}
