using System.Text.Json;
using System.Text.Json.Serialization;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Model;

/// <summary>
/// Everything about a trained model except its weights, as a model file contains it in JSON. The properties' names and
/// order are those of the JSON.
/// </summary>
internal sealed record ModelDescription
{
    /// <summary>The newest minor version of the file format that this class reads.</summary>
    public const int NewestFormat = NoiseLevelFormat;

    /// <summary>The last format before there were architectures, which files of the first one still have.</summary>
    private const int PlainFormat = 3;

    /// <summary>The format that has architectures, but neither distilled models nor the spacing by angle.</summary>
    private const int ArchitectureFormat = 4;

    /// <summary>The format that has those too, but the interval of guidance in fractions of the timesteps.</summary>
    private const int DistilledFormat = 5;

    /// <summary>
    /// The first format with the interval of guidance in noise levels, with the focused spacing, and with networks that
    /// take in how an image was transformed.
    /// </summary>
    private const int NoiseLevelFormat = 6;

    /// <summary>
    /// The minor version of the file format that the JSON was written in. Formats 1.1 and 1.2 do not contain it.
    /// </summary>
    public int Format { get; init; }

    /// <summary>The minor version of the file format that the description is written in.</summary>
    [JsonIgnore]
    public int WrittenFormat => this switch
    {
        { Network.TakesTransform: true } or { Sampling.Spacing: StepSpacing.Focused } => NoiseLevelFormat,
        { Sampling.GuidanceSigmaLow: not 0 } or { Sampling.GuidanceSigmaHigh: not null } => NoiseLevelFormat,
        { DistilledSteps: not null } or { Sampling.Spacing: StepSpacing.Angle } => DistilledFormat,
        { Network.Architecture: NetworkArchitecture.Plain } => PlainFormat,
        _ => ArchitectureFormat,
    };

    /// <summary>Shape of the network, which also decides the size of an image.</summary>
    public required UNetShape Network { get; init; }

    /// <summary>How the noise grows over the timesteps.</summary>
    public BetaSchedule Schedule { get; init; }

    /// <summary>
    /// Whether the variances of a linear schedule are scaled by 1000 / T. Those of formats 1.1 and 1.2 are not.
    /// </summary>
    public bool ScalesVariances { get; init; }

    /// <summary>Timesteps of the noise schedule, T.</summary>
    public required int Timesteps { get; init; }

    /// <summary>What the network predicts.</summary>
    public PredictionTarget Prediction { get; init; }

    /// <summary>
    /// The number of steps that the model was distilled to, the only one that it can generate in; null for a model that
    /// takes any number. Files of formats before 1.5 do not contain it.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? DistilledSteps { get; init; }

    /// <summary>Whether the network has learnt to generate without a label.</summary>
    [JsonPropertyName("DrawsUnlabelled")] // the name in existing files
    public bool GeneratesUnlabelled { get; init; }

    /// <summary>Why the network needs a label, to follow "the model" in messages.</summary>
    [JsonIgnore]
    public string WhyLabelled => DistilledSteps is null
        ? "was trained with a label for every image (LabelDropout is 0)"
        : "was distilled, with a label for every image";

    /// <summary>The label row that stands for no label; null where the network needs a label.</summary>
    [JsonIgnore]
    public int? Unlabelled => GeneratesUnlabelled ? LabelRow.None : null;

    /// <summary>The label row of data whose label is missing; null where that is an error.</summary>
    [JsonIgnore]
    public int? MissingLabel => Sampling.MissingLabels == MissingLabelBehavior.Unconditional ? Unlabelled : null;

    /// <summary>Labels of the training data.</summary>
    public required LabelVocabulary Labels { get; init; }

    /// <summary>Name of the key column with the label of each row.</summary>
    public required string LabelColumnName { get; init; }

    /// <summary>Name of the generated image column.</summary>
    public required string OutputColumnName { get; init; }

    /// <summary>Name of the generated column with the values of the images; null for no such column.</summary>
    public string? PixelsColumnName { get; init; }

    /// <summary>
    /// <see cref="SamplingOptions.SeedColumnName"/> in formats 1.1 and 1.2, which had it here. It is null elsewhere.
    /// </summary>
    [JsonPropertyName(nameof(SamplingOptions.SeedColumnName))]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? OldSeedColumnName { get; init; }

    /// <summary>
    /// How images are generated, with the number of steps. A file of format 1.1 does not contain this: its model
    /// generates with every step of the ancestral sampler in float32, which was the only way then.
    /// </summary>
    public SamplingOptions Sampling
    {
        get => field?.Resolve(Timesteps) ?? new()
        {
            Sampler = Sampler.Ancestral,
            Steps = Timesteps,
            Spacing = StepSpacing.Uniform,
            ClipPixels = false,
            Precision = Precision.Float32,
            GuidanceScale = 1,
            GuidanceSigmaLow = 0,
            GuidanceSigmaHigh = null,
        };
        init;
    }

    /// <summary>Number of steps that the sampler takes.</summary>
    [JsonIgnore]
    public int Steps => Math.Min(Sampling.Steps!.Value, Timesteps);

    /// <summary>
    /// The guidance scale of rows whose guidance column has no value. Files that leave it open are of the time when the
    /// default was 2.
    /// </summary>
    [JsonIgnore]
    public float GuidanceScale => (float)(Sampling.GuidanceScale ?? (GeneratesUnlabelled ? 2 : 1));

    /// <summary>Images generated at a time; null to choose a number that suits the device.</summary>
    public int? BatchSize { get; init; }

    /// <summary>
    /// <see cref="BatchSize"/>, or as many images as have at most 2 GB of noise, which is what a span of bytes holds.
    /// </summary>
    [JsonIgnore]
    public int? PossibleBatchSize =>
        BatchSize is { } size ? Math.Min(size, int.MaxValue / sizeof(float) / Network.Pixels) : null;

    /// <summary>Seed of the training.</summary>
    public required ulong Seed { get; init; }

    /// <summary>The seed that decides the noise of every row, together with the row's noise key.</summary>
    [JsonIgnore]
    public ulong NoiseSeed => (ulong?)Sampling.Seed ?? Seed;

    /// <summary>Creates the noise schedule that the network was trained with.</summary>
    public NoiseSchedule CreateSchedule() => NoiseSchedule.Create(Schedule, Timesteps, ScalesVariances);

    /// <summary>Returns the description of the same model with other sampling options.</summary>
    /// <exception cref="ArgumentException">
    /// An option is out of its range, or the model cannot be guided. The message lists every invalid option.
    /// </exception>
    public ModelDescription WithSampling(SamplingOptions options)
    {
        var errors = new OptionErrors();
        options.Check(errors, GeneratesUnlabelled, DistilledSteps);
        if (errors.Text is { } text)
        {
            throw new ArgumentException(
                $"Invalid {nameof(SamplingOptions)} for this model: {text}", nameof(options));
        }

        return this with { Sampling = options.ResolveGuidance(GeneratesUnlabelled) };
    }

    /// <summary>Reads a description from the JSON of a model file.</summary>
    /// <exception cref="FormatException">
    /// The JSON does not describe a possible model, or is of a newer format; the message says what is wrong.
    /// </exception>
    public static ModelDescription Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            CheckFormat(json);
            var description = JsonSerializer.Deserialize(json, ModelJson.Default.ModelDescription)
                ?? throw new FormatException("the description is null.");
            if (description.Format < PlainFormat) description = description.Upgrade();
            return description.Error() is { } error
                ? throw new FormatException($"the description is impossible: {error}")
                : description.UpgradeGuidance();
        }
        catch (JsonException exception)
        {
            throw new FormatException($"the description is not the expected JSON: {exception.Message}", exception);
        }
    }

    /// <summary>Writes the description as UTF-8, so that <see cref="Parse"/> reads it again.</summary>
    public byte[] ToJson()
    {
        var format = WrittenFormat;
        var written = this with
        {
            Format = format,
            Sampling = format < NoiseLevelFormat ? GuidanceFractions.Add(Sampling) : Sampling,
        };
        return JsonSerializer.SerializeToUtf8Bytes(written, ModelJson.Default.ModelDescription);
    }

    /// <summary>Checks the format first: a newer one may have anything beside it.</summary>
    private static void CheckFormat(ReadOnlySpan<byte> json)
    {
        var format = JsonSerializer.Deserialize(json, ModelJson.Default.AnyDescription)?.Format;
        if (format > NewestFormat)
        {
            throw new FormatException(
                $"it needs a newer CondDiffusion.MLNet, one that reads format 1.{format}; this one reads up to " +
                $"1.{NewestFormat}.");
        }
    }

    /// <summary>
    /// Returns the description of an older format, as it would be written today with the same meaning.
    /// </summary>
    private ModelDescription Upgrade() => this with
    {
        Format = PlainFormat,
        ScalesVariances = false,
        OldSeedColumnName = null,
        Sampling = Sampling with
        {
            SeedColumnName = OldSeedColumnName,

            // A row without a label had an image wherever the model could generate one.
            MissingLabels = GeneratesUnlabelled ? MissingLabelBehavior.Unconditional : MissingLabelBehavior.Error,
        },
    };

    /// <summary>
    /// Returns the description with a guidance scale, which older files left open, and with the interval of guidance in
    /// noise levels. That takes the schedule, whose size has been checked by now.
    /// </summary>
    private ModelDescription UpgradeGuidance()
    {
        var sampling = Sampling.GuidanceScale is null && GeneratesUnlabelled
            ? Sampling with { GuidanceScale = GuidanceScale }
            : Sampling;
        return this with
        {
            Sampling = Format >= NoiseLevelFormat
                ? sampling
                : GuidanceFractions.ToNoiseLevels(sampling, CreateSchedule()),
        };
    }

    /// <summary>Returns what is wrong with a description that was read from a file; null if nothing is.</summary>
    private string? Error()
    {
        var errors = new OptionErrors();

        var labelErrors = errors.In(nameof(Labels));
        Network.Check(errors.In(nameof(Network)));
        Labels.Check(labelErrors);
        labelErrors.Check(
            Labels.Count == Network.Labels,
            nameof(Labels.Count),
            $"{Network.Labels}, as in {nameof(Network)}",
            Labels.Count);

        errors.Defined(Schedule);
        errors.Positive(Timesteps, ModelLimits.Timesteps);
        errors.Defined(Prediction);

        errors.ColumnName(LabelColumnName);
        errors.ColumnName(OutputColumnName);
        errors.ColumnNameOrNull(PixelsColumnName);
        errors.AnotherColumn(PixelsColumnName, OutputColumnName);
        errors.Check(
            OldSeedColumnName is null,
            nameof(SamplingOptions.SeedColumnName),
            $"in {nameof(Sampling)} from format 1.{PlainFormat} on",
            "here");

        errors.PositiveOrNull(DistilledSteps, Timesteps);
        errors.Check(
            DistilledSteps is null || (Prediction == PredictionTarget.Velocity && !GeneratesUnlabelled),
            nameof(DistilledSteps),
            $"null unless {nameof(Prediction)} is {PredictionTarget.Velocity} and DrawsUnlabelled is false",
            DistilledSteps);
        Sampling.Check(errors, GeneratesUnlabelled, DistilledSteps, owner: nameof(Sampling));
        GuidanceFractions.Check(Sampling, isOld: Format < NoiseLevelFormat, errors.In(nameof(Sampling)));
        errors.PositiveOrNull(BatchSize, ModelLimits.BatchSize);

        return errors.Text;
    }
}

/// <summary>What a description of any format has, even of one that this library does not know.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Skip)]
internal sealed record AnyDescription
{
    /// <inheritdoc cref="ModelDescription.Format"/>
    public int Format { get; init; }
}

/// <summary>Reads and writes the JSON without reflection.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    NewLine = "\n",
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(AnyDescription))]
[JsonSerializable(typeof(ModelDescription))]
internal sealed partial class ModelJson : JsonSerializerContext;
