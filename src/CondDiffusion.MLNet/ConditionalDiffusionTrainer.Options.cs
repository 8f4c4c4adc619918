namespace CondDiffusion.MLNet;

public sealed partial class ConditionalDiffusionTrainer
{
    /// <summary>
    /// Everything that can be chosen for a training. The defaults are those that learn most in a given time on grey
    /// images of 28 x 28 pixels: docs/training.md has the measurements. <see cref="Published"/> has the options of the
    /// published method.
    /// </summary>
    public sealed partial record Options : ImageTrainerOptions
    {
        /// <summary>Creates the default options.</summary>
        public Options()
        {
            BatchSize = 64;
            Optimizer = Optimizer.Muon;
            WarmUpSteps = 200;
            LearningRateDecay = LearningRateDecay.Cooldown;
            MovingAverageLengths = [0.05];
        }

        /// <summary>
        /// Gets the options of the published method, whatever the defaults become: DDPM (Ho et al. 2020, arXiv
        /// 2006.11239) with a label embedding added to the time embedding, in float32, on grey images of 32 x 32.
        /// </summary>
        /// <value>
        /// Options to change with <c>with</c>. The columns, and what watches and stops a training, are as by default.
        /// </value>
        public static Options Published { get; } = new()
        {
            Channels = 1,
            Height = 32,
            Width = 32,
            Architecture = NetworkArchitecture.Plain,
            ChannelWidths = [64, 128, 256],
            EmbeddingSize = 100,
            Timesteps = 1000,
            Schedule = BetaSchedule.Linear,
            Prediction = PredictionTarget.Noise,
            MinSnrGamma = 0,
            LabelDropout = 0,
            TimestepSampling = TimestepSampling.Uniform,
            ShiftFraction = 0,
            RotationDegrees = 0,
            ScaleFraction = 0,
            LabelSharing = 0,
            LabelBalance = 0,
            ValidationFraction = 0,
            Epochs = 50,
            BatchSize = 128,
            Optimizer = Optimizer.Adam,
            LearningRate = 5e-4,
            WarmUpSteps = 0,
            LearningRateDecay = LearningRateDecay.None,
            GradientClipNorm = 0,
            MovingAverageLengths = [],
            Precision = Precision.Float32,
            Sampling = new()
            {
                Sampler = Sampler.Ancestral,
                Steps = 1000,
                Spacing = StepSpacing.LogSnr,
                ClipPixels = false,
                Precision = Precision.Float32,
                GuidanceScale = 1,
                GuidanceSigmaLow = 0,
                GuidanceSigmaHigh = null,
            },
        };

        // Columns

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

        // Network

        /// <summary>The form of the network.</summary>
        /// <value>Default: <see cref="NetworkArchitecture.Residual"/>.</value>
        public NetworkArchitecture Architecture { get; init; } = NetworkArchitecture.Residual;

        /// <summary>
        /// Feature channels of the U-Net (Ronneberger et al. 2015, arXiv 1505.04597) at each resolution, from the
        /// highest to the lowest, of which each is half the one before.
        /// </summary>
        /// <value>
        /// Numbers with which the network has less than 2^29 parameters, the label embeddings included: three from 1 to
        /// 2^24 for <see cref="NetworkArchitecture.Plain"/>, and one to four multiples of 32 up to 2^24 for
        /// <see cref="NetworkArchitecture.Residual"/>. Null for the architecture's own: 64, 128, 256 and 96, 192.
        /// Default: null.
        /// </value>
        public IReadOnlyList<int>? ChannelWidths { get; init; }

        /// <summary>Size of the time embedding and of the label embedding that is added to it, D.</summary>
        /// <value>
        /// From 1 to 2^24; the label embeddings, of this size for each label, and all other parameters are less than
        /// 2^29 together. Default: 100.
        /// </value>
        public int EmbeddingSize { get; init; } = 100;

        /// <summary>A trained model whose weights the training starts from, rather than from random ones.</summary>
        /// <value>Null to start from random weights. Default: null.</value>
        public InitialModel? InitialModel { get; init; }

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

        /// <summary>
        /// Strength of a term in the loss that pulls the predictions for an image's own label and for the label of
        /// another image of the batch towards each other, more strongly for noisier images (tau in Qin et al. 2023,
        /// arXiv 2305.00562, whose code has 1). It is meant to let labels with few images learn from those with many. A
        /// step computes twice as many predictions.
        /// </summary>
        /// <value>Finite and not negative; 0 turns it off. Default: 0.</value>
        public double LabelSharing { get; init; }

        /// <summary>How the timestep of the noise that is added to a training image is chosen.</summary>
        /// <value>Default: <see cref="TimestepSampling.LogNormal"/>.</value>
        public TimestepSampling TimestepSampling { get; init; } = TimestepSampling.LogNormal;

        /// <summary>
        /// Mean of the natural logarithm of the noise level, sigma_t / alpha_t, in
        /// <see cref="TimestepSampling.LogNormal"/>: images of more pixels take shape at a higher level.
        /// </summary>
        /// <value>Finite. Default: 0.2.</value>
        public double NoiseLevelMean { get; init; } = 0.2;

        /// <summary>
        /// Standard deviation of the natural logarithm of the noise level in <see cref="TimestepSampling.LogNormal"/>.
        /// </summary>
        /// <value>Positive and finite. Default: 1.3.</value>
        public double NoiseLevelDeviation { get; init; } = 1.3;

        // Augmentation

        /// <summary>
        /// Largest shift of a training image along each axis, as a fraction of its side; what comes in from outside has
        /// the values of the edge. Images that are shifted, rotated and scaled, each in a way of its own in each step,
        /// are more to learn from where there are few. The network is told what was done to each, and is told to
        /// generate images to which nothing was done (Karras et al. 2022, arXiv 2206.00364, appendix F.2; in the terms
        /// of Karras et al. 2020, arXiv 2006.06676, the augmentation does not leak).
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

        /// <summary>
        /// Fraction of the training images that are shifted, rotated and scaled in a step, as far as
        /// <see cref="ShiftFraction"/>, <see cref="RotationDegrees"/> and <see cref="ScaleFraction"/> say. The others
        /// are as they are, and show the network what it is to generate. Karras et al. 2022 (arXiv 2206.00364, appendix
        /// F.2) transform 12 to 15% of the images, of sets that are not small.
        /// </summary>
        /// <value>In [0, 1). Default: 0.5.</value>
        public double AugmentationFraction { get; init; } = 0.5;

        // Watching

        /// <summary>
        /// Number of epochs from one set of <see cref="TrainingProgress.Samples"/> to the next: four images of each of
        /// the first ten labels, always from the same noise.
        /// </summary>
        /// <value>
        /// Not negative; 0 generates none, and is the only value where <see cref="ImageTrainerOptions.Channels"/> is
        /// neither 1 nor 3. Default: 0.
        /// </value>
        public int SampleEpochs { get; init; }

        // Generation

        /// <summary>
        /// How the fitted transformer generates images. <see cref="ImageGenerationCatalog.WithSampling"/> changes it
        /// later.
        /// </summary>
        /// <value>Not null. Default: 8 steps of <see cref="Sampler.DpmSolver"/>, guided where that can be.</value>
        public SamplingOptions Sampling { get; init; } = new();

        /// <summary>Images that the fitted transformer generates at a time.</summary>
        /// <value>
        /// From 1 to 65,536, or null for 32 on a CPU and up to 256 on a GPU, and fewer where memory is short. A batch
        /// of more than 2 GB is divided. Default: null.
        /// </value>
        public int? GenerationBatchSize { get; init; }
    }
}
