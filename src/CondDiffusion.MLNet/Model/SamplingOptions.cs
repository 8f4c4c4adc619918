using CondDiffusion.MLNet.Model;

namespace CondDiffusion.MLNet;

/// <summary>
/// How a model draws its pictures. Chosen for a training in <see cref="ConditionalDiffusionTrainer.Options.Sampling"/>, saved with the model,
/// and changed on any model by <see cref="ImageGenerationCatalog.WithSampling"/>.
/// </summary>
public sealed record SamplingOptions
{
    /// <summary>The way from noise to picture. Default: <see cref="Sampler.DpmSolver"/>.</summary>
    public Sampler Sampler { get; init; } = Sampler.DpmSolver;

    /// <summary>Steps that it takes; of a model with fewer timesteps, each of these. At least 1. Default: 20.</summary>
    public int Steps { get; init; } = 20;

    /// <summary>
    /// The share of fresh noise in the steps of <see cref="Sampler.Ddim"/>; the others have no such choice. In [0, 1]; 1 is
    /// <see cref="Sampler.Ancestral"/>. Default: 0.
    /// </summary>
    public double Eta { get; init; }

    /// <summary>Where the steps lie. Default: <see cref="StepSpacing.LogSnr"/>.</summary>
    public StepSpacing Spacing { get; init; } = StepSpacing.LogSnr;

    /// <summary>Whether each step's guess of the picture is cut off at -1 and 1, where pixels end, before it is used. Default: true.</summary>
    public bool ClipPixels { get; init; } = true;

    /// <summary>
    /// The number format of the network: bfloat16 takes about half the time of float32, and moves some pixels by some grey levels. Default:
    /// <see cref="Precision.Auto"/>, so that machines which differ in that draw pictures which differ a little; the other two give the same
    /// everywhere, in float32 to within a grey level.
    /// </summary>
    public Precision Precision { get; init; } = Precision.Auto;

    /// <summary>
    /// How strongly the label tells, g of classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598): a step goes by eps_uncond +
    /// g (eps_cond - eps_uncond), the predictions without and with the label. Above 1, pictures are more typical of their labels and less
    /// diverse. Any other value than 1 doubles the work, and needs a model trained with
    /// <see cref="ConditionalDiffusionTrainer.Options.LabelDropout"/>. Finite and not negative. Null: 2 for such a model, 1 for others, which is
    /// without guidance. Default: null.
    /// </summary>
    public double? GuidanceScale { get; init; }

    /// <summary>
    /// Where guidance ends: steps from timestep t are guided if t / T is above this and at most <see cref="GuidanceIntervalHigh"/>. Guidance
    /// in the middle only keeps more diversity, and saves work (Kynkäänniemi et al. 2024, arXiv 2404.07724). In [0, 1). Default: 0.
    /// </summary>
    public double GuidanceIntervalLow { get; init; }

    /// <summary>Where guidance begins, as a share of the timesteps T, at which a picture is noise alone. In (0, 1]. Default: 1.</summary>
    public double GuidanceIntervalHigh { get; init; } = 1;

    /// <summary>
    /// A column of the data to be transformed, of type Single, with each row's own <see cref="GuidanceScale"/>, which stands in where the
    /// value is missing (NaN) or the data does not have the column. Null for none. Default: null.
    /// </summary>
    public string? GuidanceColumnName { get; init; }

    internal static bool IsScale(double value) => value >= 0 && double.IsFinite(value);

    /// <summary>Whether guidance is to be given at a timestep of so many.</summary>
    internal bool Guides(int t, int timesteps) => t > GuidanceIntervalLow * timesteps && t <= GuidanceIntervalHigh * timesteps;

    /// <summary>Adds what is wrong, with the options named after <paramref name="prefix"/>.</summary>
    /// <param name="errors">Where to.</param>
    /// <param name="drawsUnlabelled">Whether the model learns to draw without a label.</param>
    /// <param name="prefix">What to write before an option's name.</param>
    internal void Check(OptionErrors errors, bool drawsUnlabelled, string prefix = "")
    {
        void Check(bool valid, string option, string expected, object? found) => errors.Check(valid, prefix + option, expected, found);

        Check(Enum.IsDefined(Sampler), nameof(Sampler), "a value of its type", Sampler);
        Check(Steps >= 1, nameof(Steps), "at least 1", Steps);
        Check(Eta is >= 0 and <= 1, nameof(Eta), "in [0, 1]", Eta);
        Check(Enum.IsDefined(Spacing), nameof(Spacing), "a value of its type", Spacing);
        Check(Enum.IsDefined(Precision), nameof(Precision), "a value of its type", Precision);
        Check(IsScale(GuidanceScale ?? 1), nameof(GuidanceScale), "finite and not negative", GuidanceScale);
        Check(GuidanceIntervalLow is >= 0 and < 1, nameof(GuidanceIntervalLow), "in [0, 1)", GuidanceIntervalLow);
        Check(
            GuidanceIntervalHigh > GuidanceIntervalLow && GuidanceIntervalHigh <= 1, nameof(GuidanceIntervalHigh),
            $"above {nameof(GuidanceIntervalLow)} and at most 1", GuidanceIntervalHigh);
        Check(
            GuidanceColumnName is null || !string.IsNullOrWhiteSpace(GuidanceColumnName), nameof(GuidanceColumnName), "a column name",
            $"\"{GuidanceColumnName}\"");
        errors.Check(
            drawsUnlabelled || (GuidanceScale is null or 1 && GuidanceColumnName is null), "LabelDropout",
            $"above 0 in training for guidance ({prefix}{nameof(GuidanceScale)} other than 1, or {prefix}{nameof(GuidanceColumnName)}), which " +
            "compares with drawing without a label", 0);
    }
}
