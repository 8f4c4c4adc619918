namespace CondDiffusion.MLNet;

public sealed partial class ConditionalDiffusionTrainer
{
    /// <summary>
    /// Everything that can be chosen for a training. The defaults are those of DDPM as published (Ho et al. 2020, arXiv
    /// 2006.11239) for grey 32 x 32 images, except where a measurement favoured another value: docs/training.md has the
    /// measurement, and the options that reproduce the published method exactly.
    /// </summary>
    public sealed partial record Options
    {
        // Columns

        /// <summary>The key column with the label of each image.</summary>
        /// <value>A column name. Default: "Label".</value>
        public string LabelColumnName { get; init; } = "Label";

        /// <summary>
        /// The column with the training images: either a float vector of <see cref="Channels"/> x <see cref="Height"/>
        /// x <see cref="Width"/> values in [-1, 1], one channel after the other, or an image column of any size, which
        /// is resized and scaled to that.
        /// </summary>
        /// <value>A column name. Default: "Pixels".</value>
        public string FeatureColumnName { get; init; } = "Pixels";

        /// <summary>The image column that the fitted transformer adds.</summary>
        /// <value>A column name. Default: "GeneratedImage".</value>
        public string OutputColumnName { get; init; } = "GeneratedImage";

        /// <summary>
        /// A second column that the fitted transformer adds, with the same image as a float vector [C, H, W] in
        /// [-1, 1].
        /// </summary>
        /// <value>
        /// A column name other than <see cref="OutputColumnName"/>, or null for no such column. Default: null.
        /// </value>
        public string? PixelsColumnName { get; init; }

        // Images

        /// <summary>Channels of an image, C.</summary>
        /// <value>
        /// From 1 to 2^24; for image columns, 1 (grey) or 3 (red, green, blue). C x H x W is at most 2^22. Default: 1.
        /// </value>
        public int Channels { get; init; } = 1;

        /// <summary>Rows of an image, H.</summary>
        /// <value>A positive multiple of 4. Default: 32.</value>
        public int Height { get; init; } = 32;

        /// <summary>Columns of an image, W.</summary>
        /// <value>A positive multiple of 4. Default: 32.</value>
        public int Width { get; init; } = 32;

        // Network

        /// <summary>
        /// Feature channels of the U-Net (Ronneberger et al. 2015, arXiv 1505.04597) at full, half and quarter
        /// resolution.
        /// </summary>
        /// <value>
        /// Three numbers from 1 to 2^24, with which the network has less than 2^29 parameters, the label embeddings
        /// included. Default: 64, 128, 256.
        /// </value>
        public IReadOnlyList<int> ChannelWidths { get; init; } = [64, 128, 256];

        /// <summary>Size of the time embedding and of the label embedding that is added to it, D.</summary>
        /// <value>
        /// From 1 to 2^24; the label embeddings, of this size for each label, and all other parameters are less than
        /// 2^29 together. Default: 100.
        /// </value>
        public int EmbeddingSize { get; init; } = 100;

        // Diffusion

        /// <summary>Timesteps of the noise schedule, T (Ho et al. 2020, arXiv 2006.11239, section 2).</summary>
        /// <value>From 1 to 10,000. Default: 1,000.</value>
        public int Timesteps { get; init; } = 1000;

        /// <summary>How the noise grows over the timesteps.</summary>
        /// <value>Default: <see cref="BetaSchedule.Linear"/>.</value>
        public BetaSchedule Schedule { get; init; } = BetaSchedule.Linear;

        /// <summary>
        /// What the network predicts. DDPM as published predicts <see cref="PredictionTarget.Noise"/>.
        /// </summary>
        /// <value>Default: <see cref="PredictionTarget.Velocity"/>.</value>
        public PredictionTarget Prediction { get; init; } = PredictionTarget.Velocity;

        /// <summary>
        /// Upper bound of a timestep's signal-to-noise ratio in the weights of the loss: min-SNR weighting (Hang et al.
        /// 2023, arXiv 2303.09556, which recommends 5).
        /// </summary>
        /// <value>Finite and not negative; 0 turns the weighting off. Default: 0.</value>
        public double MinSnrGamma { get; init; }

        /// <summary>
        /// Fraction of the training images whose label is hidden, so that the network also learns to generate without a
        /// label. Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598, algorithm 1) and generation without
        /// a label (<see cref="SamplingOptions.MissingLabels"/>) need this.
        /// </summary>
        /// <value>In [0, 1); 0 turns it off. Default: 0.1.</value>
        public double LabelDropout { get; init; } = 0.1;

        // Optimization

        /// <summary>Passes over the training images.</summary>
        /// <value>At least 1. Default: 50.</value>
        public int Epochs { get; init; } = 50;

        /// <summary>Images in a training step.</summary>
        /// <value>At least 1. Default: 128.</value>
        public int BatchSize { get; init; } = 128;

        /// <summary>Learning rate of Adam (Kingma and Ba 2015, arXiv 1412.6980).</summary>
        /// <value>Positive and finite. Default: 5e-4.</value>
        public double LearningRate { get; init; } = 5e-4;

        /// <summary>
        /// Steps at the beginning over which the learning rate grows linearly to <see cref="LearningRate"/> (Goyal et
        /// al. 2017, arXiv 1706.02677, section 2.2).
        /// </summary>
        /// <value>Not negative; 0 turns the warm-up off. Default: 0.</value>
        public int WarmUpSteps { get; init; }

        /// <summary>
        /// Whether the learning rate falls to 0 along half a cosine after the warm-up (Loshchilov and Hutter 2017,
        /// arXiv 1608.03983, equation 5) rather than staying constant.
        /// </summary>
        /// <value>Default: false.</value>
        public bool CosineLearningRateDecay { get; init; }

        /// <summary>
        /// Upper bound of the norm of a step's gradient; a longer gradient is scaled down to it (Pascanu et al. 2013,
        /// arXiv 1211.5063, algorithm 1).
        /// </summary>
        /// <value>Finite and not negative; 0 turns the clipping off. Default: 0.</value>
        public double GradientClipNorm { get; init; }

        /// <summary>
        /// Decay of an exponential moving average of the weights and the batch-norm statistics: the fraction of itself
        /// that the average keeps at each step, after a warm-up. The fitted transformer uses the average, which
        /// generates better images than the last weights (Song and Ermon 2020, arXiv 2006.09011, section 3.4).
        /// </summary>
        /// <value>In [0, 1); 0 turns the average off. Default: 0.999.</value>
        public double MovingAverageDecay { get; init; } = 0.999;

        /// <summary>
        /// Decides the initial weights, the order of the images, the noise in training and, unless
        /// <see cref="SamplingOptions.Seed"/> is given, the noise in generation.
        /// </summary>
        /// <value>
        /// Any number, or null for the seed of the <see cref="Microsoft.ML.MLContext"/>, or a random seed where that
        /// has none. Default: null.
        /// </value>
        public int? Seed { get; init; }

        // Device and memory

        /// <summary>Precision of the convolutions and activations in training.</summary>
        /// <value>Default: <see cref="Precision.Auto"/>.</value>
        public Precision Precision { get; init; } = Precision.Auto;

        /// <summary>
        /// Upper bound of the memory for the training images, in bytes. An 8-bit image takes one byte a value, any
        /// other image four. The images beyond the bound lie in a file in
        /// <see cref="Microsoft.ML.MLContext.TempFilePath"/>, which disappears when the training ends, however it ends.
        /// </summary>
        /// <value>
        /// Not negative; 0 puts all images on disk, except for a buffer. Default: 2^30 (1 GiB), which is a million grey
        /// 8-bit images of 32 x 32.
        /// </value>
        public long ImageMemory { get; init; } = 1L << 30;

        // Watching

        /// <summary>
        /// Receives progress reports, on the training thread: one every <see cref="ProgressInterval"/>, and one at the
        /// end of each epoch.
        /// </summary>
        /// <value>Null for no reports. Default: null.</value>
        public IProgress<TrainingProgress>? Progress { get; init; }

        /// <summary>
        /// Minimum time between two reports within an epoch. A report waits for the device, so that a longer interval
        /// costs less on a GPU.
        /// </summary>
        /// <value>Not negative; 0 reports every step. Default: 0.2 seconds.</value>
        public TimeSpan ProgressInterval { get; init; } = TimeSpan.FromSeconds(0.2);

        /// <summary>
        /// A directory for TensorBoard event files, which contain what <see cref="Progress"/> receives.
        /// </summary>
        /// <value>A path, or null for no event files. Default: null.</value>
        public string? TensorBoardDirectory { get; init; }

        /// <summary>
        /// Number of epochs from one set of <see cref="TrainingProgress.Samples"/> to the next: four images of each of
        /// the first ten labels, always from the same noise.
        /// </summary>
        /// <value>
        /// Not negative; 0 generates none, and is the only value where <see cref="Channels"/> is neither 1 nor 3.
        /// Default: 0.
        /// </value>
        public int SampleEpochs { get; init; }

        /// <summary>
        /// Fraction of the images that are held out for <see cref="TrainingProgress.ValidationLoss"/> rather than
        /// trained on; the seed chooses them.
        /// </summary>
        /// <value>In [0, 1). Default: 0.</value>
        public double ValidationFraction { get; init; }

        // Stopping and resuming

        /// <summary>
        /// Ends the training, at the latest after the current step. <see cref="OnCancellation"/> decides what
        /// <see cref="Fit"/> does then.
        /// </summary>
        /// <value>Default: a token that is never cancelled.</value>
        public CancellationToken CancellationToken { get; init; }

        /// <summary>What <see cref="Fit"/> does when the <see cref="CancellationToken"/> is cancelled.</summary>
        /// <value>Default: <see cref="CancellationBehavior.Throw"/>.</value>
        public CancellationBehavior OnCancellation { get; init; }

        /// <summary>
        /// A directory for the checkpoints of this training, and of no other. Run again, the same training resumes from
        /// the newest checkpoint. On a CPU it ends with exactly the weights that it would have had without the
        /// interruption; on a GPU, rounding may differ. It refuses checkpoints of a training with other options or
        /// data.
        /// </summary>
        /// <value>A path, or null for no checkpoints. Default: null.</value>
        public string? CheckpointDirectory { get; init; }

        /// <summary>
        /// Maximum time between two checkpoints; the next one follows the step in which it is reached.
        /// </summary>
        /// <value>Positive. Default: 10 minutes.</value>
        /// <remarks>
        /// A training also writes a checkpoint when it ends or is cancelled. A checkpoint takes 16 bytes a parameter.
        /// </remarks>
        public TimeSpan CheckpointInterval { get; init; } = TimeSpan.FromMinutes(10);

        /// <summary>Maximum number of steps between two checkpoints.</summary>
        /// <value>Not negative; 0 for no maximum. Default: 0.</value>
        public int CheckpointSteps { get; init; }

        /// <summary>Number of checkpoints that are kept, the newest ones.</summary>
        /// <value>At least 1. Default: 3.</value>
        public int CheckpointsKept { get; init; } = 3;

        // Generation

        /// <summary>
        /// How the fitted transformer generates images. <see cref="ImageGenerationCatalog.WithSampling"/> changes it
        /// later.
        /// </summary>
        /// <value>Not null. Default: 20 steps of <see cref="Sampler.DpmSolver"/>, guided where that can be.</value>
        public SamplingOptions Sampling { get; init; } = new();

        /// <summary>Images that the fitted transformer generates at a time.</summary>
        /// <value>
        /// From 1 to 65,536, or null for 32 on a CPU and up to 256 on a GPU, and fewer where memory is short. Default:
        /// null.
        /// </value>
        public int? GenerationBatchSize { get; init; }
    }
}
