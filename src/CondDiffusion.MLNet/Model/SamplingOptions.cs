using System.Diagnostics;
using System.Text.Json.Serialization;
using CondDiffusion.MLNet.Model;

namespace CondDiffusion.MLNet;

/// <summary>
/// How a model generates its images. Chosen for a training in
/// <see cref="ConditionalDiffusionTrainer.Options.Sampling"/>, saved with the model, and changed on any model by
/// <see cref="ImageGenerationCatalog.WithSampling"/>.
/// </summary>
public sealed record SamplingOptions
{
    /// <summary>The algorithm that turns noise into an image.</summary>
    /// <value>Default: <see cref="Sampler.DpmSolver"/>.</value>
    public Sampler Sampler { get; init; } = Sampler.DpmSolver;

    /// <summary>Number of sampling steps. A model with fewer timesteps takes one step for each of them.</summary>
    /// <value>
    /// From 1 to 10,000, or null for 8 with <see cref="Sampler.DpmSolver"/>, 50 with <see cref="Sampler.Ddim"/> and
    /// every timestep with <see cref="Sampler.Ancestral"/>. The options of a model,
    /// <see cref="ConditionalDiffusionTransformer.Sampling"/>, have the number in place of null. Default: null.
    /// </value>
    public int? Steps { get; init; }

    /// <summary>
    /// Amount of fresh noise in the steps of <see cref="Sampler.Ddim"/>, eta of Song et al. 2021 (arXiv 2010.02502,
    /// equation 16), as a fraction of that of <see cref="Sampler.Ancestral"/>. The other samplers ignore it.
    /// </summary>
    /// <value>In [0, 1]. Default: 0.</value>
    public double Eta { get; init; }

    /// <summary>How the steps are spread over the timesteps.</summary>
    /// <value>Default: <see cref="StepSpacing.Focused"/>.</value>
    public StepSpacing Spacing { get; init; } = StepSpacing.Focused;

    /// <summary>
    /// Whether each step's estimate of the image is clipped to [-1, 1], the range of the pixels, before it is used.
    /// </summary>
    /// <value>Default: true.</value>
    public bool ClipPixels { get; init; } = true;

    /// <summary>
    /// Precision of the network. bfloat16 takes about half the time of float32 where the device computes in it, and
    /// changes some pixels by a few grey levels. <see cref="Precision.Auto"/> depends on the device, so that different
    /// machines can generate slightly different images. <see cref="Precision.Float32"/> gives the same images
    /// everywhere to within one grey level, and <see cref="Precision.BFloat16"/> to within a few.
    /// </summary>
    /// <value>Default: <see cref="Precision.Auto"/>.</value>
    public Precision Precision { get; init; } = Precision.Auto;

    /// <summary>
    /// Scale of classifier-free guidance, g (Ho and Salimans 2022, arXiv 2207.12598). A step uses eps_uncond + g
    /// (eps_cond - eps_uncond), where eps_uncond and eps_cond are the predictions without and with the label. Above 1,
    /// images are more typical of their labels and less diverse. Any value but 1 needs a model trained with
    /// <see cref="ConditionalDiffusionTrainer.Options.LabelDropout"/>, and any but 0 and 1 doubles the work of the
    /// guided steps, those from <see cref="GuidanceSigmaHigh"/> to <see cref="GuidanceSigmaLow"/>.
    /// </summary>
    /// <value>
    /// In [0, 1000], or null for 2 where the model was trained with label dropout and 1, which is no guidance, where
    /// it was not. The options of a model that can be guided have the number in place of null. Default: null.
    /// </value>
    public double? GuidanceScale { get; init; }

    /// <summary>
    /// Where guidance ends: a step from timestep t is guided if its noise level, the standard deviation of the noise
    /// relative to the image, sigma_t / alpha_t = sqrt((1 - alpha_bar_t) / alpha_bar_t), is above this and at most
    /// <see cref="GuidanceSigmaHigh"/>. Guidance in the middle only keeps more diversity, and saves work (Kynkäänniemi
    /// et al. 2024, arXiv 2404.07724, who call the noise level sigma).
    /// </summary>
    /// <value>
    /// A noise level, finite and not negative; 0, that of an image without noise, guides to the end. Default: 0.5.
    /// </value>
    // Formats before 1.6 do not have it, and what a file does not have is 0 in JSON's generated code.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double GuidanceSigmaLow { get; init; } = 0.5;

    /// <summary>
    /// Where guidance begins. Sampling runs from noise alone, whose level depends on the schedule and is 157 in the
    /// linear one of 1,000 timesteps, down to the image.
    /// </summary>
    /// <value>
    /// A noise level, finite and above <see cref="GuidanceSigmaLow"/>, or null to guide from the first step on.
    /// Default: 5.
    /// </value>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] // formats before 1.6 do not have it
    public double? GuidanceSigmaHigh { get; init; } = 5;

    /// <summary>The interval of <see cref="GuidanceFractions"/>, in formats before 1.6; null elsewhere.</summary>
    [JsonInclude]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    internal double? GuidanceIntervalLow { get; init; }

    /// <inheritdoc cref="GuidanceIntervalLow"/>
    [JsonInclude]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    internal double? GuidanceIntervalHigh { get; init; }

    /// <summary>
    /// A column of the data to transform, of type Single, with the guidance scale of each row.
    /// <see cref="GuidanceScale"/> applies where the value is missing (NaN), or where the data does not have the
    /// column.
    /// </summary>
    /// <value>A column name, or null to use <see cref="GuidanceScale"/> for every row. Default: null.</value>
    public string? GuidanceColumnName { get; init; }

    /// <summary>
    /// Decides the noise of the images, together with a row's id or seed. Another number gives other images of the same
    /// rows.
    /// </summary>
    /// <value>
    /// Any number, or null for the seed of the training, <see cref="ImageTrainerOptions.Seed"/>.
    /// Default: null.
    /// </value>
    public long? Seed { get; init; }

    /// <summary>
    /// A column of the data to transform, of type Int64, whose value decides a row's noise in place of the row's id:
    /// the same value and label give the same image, whatever other rows the data has. Data without this column (the
    /// training data need not have it) uses the row ids.
    /// </summary>
    /// <value>A column name, or null to use the row ids. Default: null.</value>
    public string? SeedColumnName { get; init; }

    /// <summary>What becomes of a row whose label is missing, as that of a value which training did not see.</summary>
    /// <value>
    /// Default: <see cref="MissingLabelBehavior.Error"/>, which is the only value for a distilled model, and for one
    /// that was trained without <see cref="ConditionalDiffusionTrainer.Options.LabelDropout"/>.
    /// </value>
    public MissingLabelBehavior MissingLabels { get; init; }

    /// <summary>Whether a number can be a guidance scale.</summary>
    internal static bool IsScale(double value) => value is >= 0 and <= ModelLimits.GuidanceScale;

    /// <summary>Returns these options with the number of steps that they leave open.</summary>
    /// <param name="timesteps">Timesteps of the model, T.</param>
    internal SamplingOptions Resolve(int timesteps)
    {
        // A sampler that does not exist is left to Check.
        if (Steps is not null || !Enum.IsDefined(Sampler)) return this;

        return this with
        {
            Steps = Sampler switch
            {
                Sampler.Ancestral => timesteps,
                Sampler.Ddim => 50,
                Sampler.DpmSolver => 8,
                _ => throw new UnreachableException($"{Sampler}"),
            },
        };
    }

    /// <summary>Returns these options with the guidance scale that they leave open.</summary>
    /// <param name="generatesUnlabelled">Whether the model learns to generate without a label.</param>
    internal SamplingOptions ResolveGuidance(bool generatesUnlabelled) =>
        GuidanceScale is null && generatesUnlabelled ? this with { GuidanceScale = 2 } : this;

    /// <summary>Returns the options of a distilled model, which takes the steps that it was trained to take.</summary>
    /// <param name="teacher">The options of the model that it was distilled from.</param>
    /// <param name="steps">The number of steps.</param>
    internal static SamplingOptions Distilled(SamplingOptions teacher, int steps) => teacher with
    {
        Sampler = Sampler.Ddim,
        Steps = steps,
        Eta = 0,
        Spacing = StepSpacing.Angle,
        ClipPixels = false, // before the last step, what leads to the teacher's x_s need not be an image
        GuidanceScale = null,
        GuidanceSigmaLow = 0,
        GuidanceSigmaHigh = null,
        GuidanceColumnName = null,
        MissingLabels = MissingLabelBehavior.Error,
    };

    /// <summary>Whether the step from a noise level is guided.</summary>
    internal bool Guides(double noiseLevel) =>
        noiseLevel > GuidanceSigmaLow && noiseLevel <= (GuidanceSigmaHigh ?? double.PositiveInfinity);

    /// <summary>Adds what is wrong with the options.</summary>
    /// <param name="errors">Receives the errors.</param>
    /// <param name="generatesUnlabelled">Whether the model learns to generate without a label.</param>
    /// <param name="distilledSteps">The steps that the model was distilled to; null for any.</param>
    /// <param name="owner">
    /// Name of the property that holds these options, for the messages; empty where there is none.
    /// </param>
    internal void Check(OptionErrors errors, bool generatesUnlabelled, int? distilledSteps = null, string owner = "")
    {
        var own = errors.In(owner);
        own.Defined(Sampler);
        own.PositiveOrNull(Steps, ModelLimits.Timesteps);
        own.FractionOrAll(Eta);
        own.Defined(Spacing);
        own.Defined(Precision);
        own.ScaleOrNull(GuidanceScale);
        own.NotNegative(GuidanceSigmaLow);
        own.AboveOrNull(GuidanceSigmaHigh, GuidanceSigmaLow);
        own.ColumnNameOrNull(GuidanceColumnName);
        own.ColumnNameOrNull(SeedColumnName);
        own.Defined(MissingLabels);
        if (distilledSteps is { } steps)
            CheckDistilled(own, steps);
        else
            CheckUnlabelled(errors, generatesUnlabelled);
    }

    private void CheckUnlabelled(OptionErrors errors, bool generatesUnlabelled)
    {
        var isGuided = GuidanceScale is not (null or 1) || GuidanceColumnName is not null;
        errors.Check(
            generatesUnlabelled || !isGuided,
            "LabelDropout",
            $"above 0 in training for guidance ({nameof(GuidanceScale)} other than 1, or {nameof(GuidanceColumnName)}),"
                + " which compares the predictions with and without a label",
            0);
        errors.Check(
            generatesUnlabelled || MissingLabels != MissingLabelBehavior.Unconditional,
            "LabelDropout",
            $"above 0 in training for {nameof(MissingLabels)} to be {nameof(MissingLabelBehavior.Unconditional)}",
            0);
    }

    private void CheckDistilled(OptionErrors errors, int steps)
    {
        Check(Sampler == Sampler.Ddim, nameof(Sampler), Sampler.Ddim, Sampler);
        Check(Steps == steps, nameof(Steps), steps, Steps);
        Check(Eta == 0, nameof(Eta), 0, Eta);
        Check(Spacing == StepSpacing.Angle, nameof(Spacing), StepSpacing.Angle, Spacing);
        Check(!ClipPixels, nameof(ClipPixels), false, ClipPixels);
        Check(GuidanceScale is null or 1, nameof(GuidanceScale), "null", GuidanceScale);
        Check(GuidanceColumnName is null, nameof(GuidanceColumnName), "null", GuidanceColumnName);
        Check(
            MissingLabels == MissingLabelBehavior.Error,
            nameof(MissingLabels),
            MissingLabelBehavior.Error,
            MissingLabels);

        void Check(bool valid, string option, object expected, object? found) => errors.Check(
            valid, option, $"{expected}, since the model was distilled to {steps} steps", found);
    }
}
