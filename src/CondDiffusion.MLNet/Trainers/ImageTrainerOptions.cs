namespace CondDiffusion.MLNet;

/// <summary>The options that the library's trainers on labelled images share.</summary>
public abstract partial record ImageTrainerOptions
{
    private protected ImageTrainerOptions()
    {
    }

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

    // Images

    /// <summary>Channels of an image, C.</summary>
    /// <value>
    /// From 1 to 2^24; for image columns, 1 (grey) or 3 (red, green, blue). C x H x W is at most 2^22. A distillation
    /// takes channels, height and width from its model. Default: 1.
    /// </value>
    public int Channels { get; init; } = 1;

    /// <summary>Rows of an image, H.</summary>
    /// <value>
    /// Positive; for image generation, a multiple of 4 with <see cref="NetworkArchitecture.Plain"/>, and of 2 to the
    /// number of <see cref="ConditionalDiffusionTrainer.Options.ChannelWidths"/> with
    /// <see cref="NetworkArchitecture.Residual"/>. Default: 28.
    /// </value>
    public int Height { get; init; } = 28;

    /// <summary>Columns of an image, W.</summary>
    /// <value>Positive; for image generation, a multiple as for <see cref="Height"/>. Default: 28.</value>
    public int Width { get; init; } = 28;

    // Optimization

    /// <summary>Passes over the training images.</summary>
    /// <value>At least 1. Default: 50 for image generation, 5 for distillation, 10 for classification.</value>
    public int Epochs { get; init; } = 50;

    /// <summary>Images in a training step.</summary>
    /// <value>At least 1. Default: 64 for image generation, 128 for distillation and classification.</value>
    public int BatchSize { get; init; } = 128;

    /// <summary>
    /// How far rare labels come more often than their images do: an image is as frequent as n to the power of minus
    /// this, where n is the number of images of its label. 0.5 is square-root sampling (Mahajan et al. 2018, arXiv
    /// 1805.00932, section 2.2), and with 1 all labels come equally often. An epoch has as many images as without, some
    /// of them several times and others not at all.
    /// </summary>
    /// <value>In [0, 1]; 0 takes each image once in an epoch. Default: 0.</value>
    public double LabelBalance { get; init; }

    /// <summary>What turns the gradients into steps.</summary>
    /// <value>
    /// Default: <see cref="Optimizer.Muon"/> for image generation and distillation, <see cref="Optimizer.Adam"/> for
    /// classification.
    /// </value>
    public Optimizer Optimizer { get; init; } = Optimizer.Adam;

    /// <summary>
    /// Learning rate: the size of a step, which is about that of the change in each weight.
    /// </summary>
    /// <value>
    /// Positive and finite; null for the trainer's own, which is 1e-3 for image generation, 3e-3 for image generation
    /// from an <see cref="ConditionalDiffusionTrainer.Options.InitialModel"/>, 1e-3 for distillation, and 2e-3 for
    /// classification. Default: null.
    /// </value>
    public double? LearningRate { get; init; }

    /// <summary>
    /// Steps at the beginning over which the learning rate grows linearly to <see cref="LearningRate"/> (Goyal et
    /// al. 2017, arXiv 1706.02677, section 2.2).
    /// </summary>
    /// <value>
    /// Not negative; 0 turns the warm-up off. Default: 200 for image generation, 0 for distillation, 100 for
    /// classification.
    /// </value>
    public int WarmUpSteps { get; init; }

    /// <summary>How the learning rate falls after the warm-up.</summary>
    /// <value>
    /// Default: <see cref="LearningRateDecay.Cooldown"/> for image generation, <see cref="LearningRateDecay.Cosine"/>
    /// for distillation and classification.
    /// </value>
    public LearningRateDecay LearningRateDecay { get; init; }

    /// <summary>
    /// Upper bound of the norm of a step's gradient; a longer gradient is scaled down to it (Pascanu et al. 2013,
    /// arXiv 1211.5063, algorithm 1).
    /// </summary>
    /// <value>Finite and not negative; 0 turns the clipping off. Default: 0.</value>
    public double GradientClipNorm { get; init; }

    /// <summary>
    /// Lengths of moving averages of the weights and the batch-norm statistics, relative to the training so far: an
    /// average of length 0.05 has a profile over the past steps whose standard deviation is 5% of their number (Karras
    /// et al. 2024, arXiv 2312.02696, section 3.1). The fitted transformer uses the average rather than the last
    /// weights, since it generates better images. Where there are several, it uses the one with the lowest validation
    /// loss.
    /// </summary>
    /// <value>
    /// Each from 0.001 to 0.28; more than one needs a <see cref="ValidationFraction"/>. Empty for the last weights.
    /// Default: 0.05 for image generation, empty for distillation and classification.
    /// </value>
    public IReadOnlyList<double> MovingAverageLengths { get; init; } = [];

    /// <summary>
    /// Decides the initial weights of an untrained network, the order of the images, the random numbers in training
    /// and, unless <see cref="SamplingOptions.Seed"/> is given, the noise in generation.
    /// </summary>
    /// <value>
    /// Any number, or null for the seed of the <see cref="Microsoft.ML.MLContext"/> or, where that has none, of the
    /// newest checkpoint in <see cref="CheckpointDirectory"/>, or else a random seed. Default: null.
    /// </value>
    public int? Seed { get; init; }

    // Device and memory

    /// <summary>Precision of the convolutions and activations in training.</summary>
    /// <value>Default: <see cref="Precision.Auto"/>.</value>
    public Precision Precision { get; init; } = Precision.Auto;

    /// <summary>
    /// Upper bound of the memory for the training images, in bytes. An 8-bit image takes one byte a value; from the
    /// first image on that is not, each takes four. The images beyond the bound lie in a file in
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
    /// Fraction of the images that are held out for <see cref="TrainingProgress.ValidationLoss"/> rather than
    /// trained on; the seed chooses them.
    /// </summary>
    /// <value>In [0, 1). Default: 0.</value>
    public double ValidationFraction { get; init; }

    // Stopping and resuming

    /// <summary>
    /// Ends the training, at the latest after the current step. <see cref="OnCancellation"/> decides what
    /// the trainer does then.
    /// </summary>
    /// <value>Default: a token that is never cancelled.</value>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>What the trainer does when the <see cref="CancellationToken"/> is cancelled.</summary>
    /// <value>Default: <see cref="CancellationBehavior.Throw"/>.</value>
    public CancellationBehavior OnCancellation { get; init; }

    /// <summary>
    /// A directory for the checkpoints of this training, and of no other. Run again, the same training resumes from
    /// the newest checkpoint that fits its number of epochs. On a CPU it ends with exactly the weights that it would
    /// have had without the interruption; on a GPU, rounding may differ. It refuses checkpoints of a training with
    /// other options or data.
    /// </summary>
    /// <value>A path, or null for no checkpoints. Default: null.</value>
    public string? CheckpointDirectory { get; init; }

    /// <summary>
    /// Maximum time between two checkpoints; the next one follows the step in which it is reached.
    /// </summary>
    /// <value>Positive. Default: 10 minutes.</value>
    /// <remarks>
    /// A training also writes a checkpoint when it ends or is cancelled, and before a
    /// <see cref="LearningRateDecay.Cooldown"/>. A checkpoint takes 12 bytes a parameter, and 4 more for each of the
    /// <see cref="MovingAverageLengths"/>.
    /// </remarks>
    public TimeSpan CheckpointInterval { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Maximum number of steps between two checkpoints.</summary>
    /// <value>Not negative; 0 for no maximum. Default: 0.</value>
    public int CheckpointSteps { get; init; }

    /// <summary>
    /// Number of checkpoints that are kept, the newest ones; the one before a <see cref="LearningRateDecay.Cooldown"/>
    /// is kept besides.
    /// </summary>
    /// <value>At least 1. Default: 3.</value>
    public int CheckpointsKept { get; init; } = 3;
}
