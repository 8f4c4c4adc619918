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
    /// <value>At least 1. Default: 20.</value>
    public int Steps { get; init; } = 20;

    /// <summary>
    /// Amount of fresh noise in the steps of <see cref="Sampler.Ddim"/>, eta of Song et al. 2021 (arXiv 2010.02502,
    /// equation 16), as a fraction of that of <see cref="Sampler.Ancestral"/>. The other samplers ignore it.
    /// </summary>
    /// <value>In [0, 1]. Default: 0.</value>
    public double Eta { get; init; }

    /// <summary>How the steps are spread over the timesteps.</summary>
    /// <value>Default: <see cref="StepSpacing.LogSnr"/>.</value>
    public StepSpacing Spacing { get; init; } = StepSpacing.LogSnr;

    /// <summary>
    /// Whether each step's estimate of the image is clipped to [-1, 1], the range of the pixels, before it is used.
    /// </summary>
    /// <value>Default: true.</value>
    public bool ClipPixels { get; init; } = true;

    /// <summary>
    /// Precision of the network. bfloat16 takes about half the time of float32 and changes some pixels by a few grey
    /// levels. <see cref="Precision.Auto"/> depends on the device, so that different machines can generate slightly
    /// different images; the other two give the same images everywhere, in float32 to within one grey level.
    /// </summary>
    /// <value>Default: <see cref="Precision.Auto"/>.</value>
    public Precision Precision { get; init; } = Precision.Auto;

    /// <summary>
    /// Scale of classifier-free guidance, g (Ho and Salimans 2022, arXiv 2207.12598). A step uses eps_uncond + g
    /// (eps_cond - eps_uncond), where eps_uncond and eps_cond are the predictions without and with the label. Above 1,
    /// images are more typical of their labels and less diverse. Any value other than 1 doubles the work, and needs a
    /// model trained with <see cref="ConditionalDiffusionTrainer.Options.LabelDropout"/>.
    /// </summary>
    /// <value>
    /// Finite and not negative, or null for 2 where the model was trained with label dropout and 1, which is no
    /// guidance, where it was not. Default: null.
    /// </value>
    public double? GuidanceScale { get; init; }

    /// <summary>
    /// Where guidance ends: a step from timestep t is guided if t / T is above this and at most
    /// <see cref="GuidanceIntervalHigh"/>. Guidance in the middle only keeps more diversity, and saves work
    /// (Kynkäänniemi et al. 2024, arXiv 2404.07724).
    /// </summary>
    /// <value>A fraction of the timesteps, in [0, 1). Default: 0.</value>
    public double GuidanceIntervalLow { get; init; }

    /// <summary>Where guidance begins. Sampling runs from t = T, where x_t is pure noise, down to t = 1.</summary>
    /// <value>A fraction of the timesteps, above <see cref="GuidanceIntervalLow"/> and at most 1. Default: 1.</value>
    public double GuidanceIntervalHigh { get; init; } = 1;

    /// <summary>
    /// A column of the data to transform, of type Single, with the guidance scale of each row.
    /// <see cref="GuidanceScale"/> applies where the value is missing (NaN), or where the data does not have the
    /// column.
    /// </summary>
    /// <value>A column name, or null to use <see cref="GuidanceScale"/> for every row. Default: null.</value>
    public string? GuidanceColumnName { get; init; }

    /// <summary>Whether a number can be a guidance scale.</summary>
    internal static bool IsScale(double value) => OptionErrors.IsNotNegative(value);

    /// <summary>Whether the step from timestep t of T is guided.</summary>
    internal bool Guides(int t, int timesteps) =>
        t > GuidanceIntervalLow * timesteps && t <= GuidanceIntervalHigh * timesteps;

    /// <summary>Adds what is wrong with the options.</summary>
    /// <param name="errors">Receives the errors.</param>
    /// <param name="generatesUnlabelled">Whether the model learns to generate without a label.</param>
    /// <param name="owner">
    /// Name of the property that holds these options, for the messages; empty where there is none.
    /// </param>
    internal void Check(OptionErrors errors, bool generatesUnlabelled, string owner = "")
    {
        var own = errors.In(owner);
        own.Defined(Sampler);
        own.Positive(Steps);
        own.FractionOrAll(Eta);
        own.Defined(Spacing);
        own.Defined(Precision);
        own.NotNegativeOrNull(GuidanceScale);
        own.Fraction(GuidanceIntervalLow);
        own.EndOfInterval(GuidanceIntervalHigh, GuidanceIntervalLow);
        own.ColumnNameOrNull(GuidanceColumnName);

        var isGuided = GuidanceScale is not (null or 1) || GuidanceColumnName is not null;
        errors.Check(
            generatesUnlabelled || !isGuided,
            "LabelDropout",
            $"above 0 in training for guidance ({nameof(GuidanceScale)} other than 1, or {nameof(GuidanceColumnName)}),"
                + " which compares the predictions with and without a label",
            0);
    }
}
