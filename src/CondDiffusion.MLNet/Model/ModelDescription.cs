using System.Text.Json;
using System.Text.Json.Serialization;
using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Model;

/// <summary>
/// Everything about a trained model except its weights, as a model file contains it in JSON. The properties' names and
/// order are those of the JSON.
/// </summary>
internal sealed record ModelDescription
{
    /// <summary>Shape of the network, which also decides the size of an image.</summary>
    public required UNetShape Network { get; init; }

    /// <summary>How the noise grows over the timesteps.</summary>
    public BetaSchedule Schedule { get; init; }

    /// <summary>Timesteps of the noise schedule, T.</summary>
    public required int Timesteps { get; init; }

    /// <summary>What the network predicts.</summary>
    public PredictionTarget Prediction { get; init; }

    /// <summary>Whether the network has learnt to generate without a label.</summary>
    [JsonPropertyName("DrawsUnlabelled")] // the name in existing files
    public bool GeneratesUnlabelled { get; init; }

    /// <summary>The label row that stands for no label; null where the network needs a label.</summary>
    [JsonIgnore]
    public int? Unlabelled => GeneratesUnlabelled ? LabelRow.None : null;

    /// <summary>Labels of the training data.</summary>
    public required LabelVocabulary Labels { get; init; }

    /// <summary>Name of the key column with the label of each row.</summary>
    public required string LabelColumnName { get; init; }

    /// <summary>Name of the generated image column.</summary>
    public required string OutputColumnName { get; init; }

    /// <summary>Name of the generated column with the values of the images; null for no such column.</summary>
    public string? PixelsColumnName { get; init; }

    /// <summary>Name of the column that decides a row's noise in place of the row's id; null to use the id.</summary>
    public string? SeedColumnName { get; init; }

    /// <summary>
    /// How images are generated. A file of format 1.1 does not contain this: its model generates with every step of the
    /// ancestral sampler in float32, which was the only way then.
    /// </summary>
    public SamplingOptions Sampling
    {
        get => field ?? new()
        {
            Sampler = Sampler.Ancestral,
            Steps = Timesteps,
            Spacing = StepSpacing.Uniform,
            ClipPixels = false,
            Precision = Precision.Float32,
            GuidanceScale = 1,
        };
        init;
    }

    /// <summary>The guidance scale of rows whose guidance column has no value.</summary>
    [JsonIgnore]
    public float GuidanceScale => (float)(Sampling.GuidanceScale ?? (GeneratesUnlabelled ? 2 : 1));

    /// <summary>Images generated at a time; null to choose a number that suits the device.</summary>
    public int? BatchSize { get; init; }

    /// <summary>Decides the noise of every row, together with the row's noise key.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Reads a description from the JSON of a model file.</summary>
    /// <exception cref="FormatException">
    /// The JSON does not describe a possible model; the message says what is wrong.
    /// </exception>
    public static ModelDescription Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            var description = JsonSerializer.Deserialize(json, ModelJson.Default.ModelDescription)
                ?? throw new FormatException("the description is null.");
            return description.Error() is { } error
                ? throw new FormatException($"the description is impossible: {error}")
                : description;
        }
        catch (JsonException exception)
        {
            throw new FormatException($"the description is not the expected JSON: {exception.Message}", exception);
        }
    }

    /// <summary>Writes the description as UTF-8, so that <see cref="Parse"/> reads it again.</summary>
    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, ModelJson.Default.ModelDescription);

    /// <summary>Returns what is wrong with a description that was read from a file; null if nothing is.</summary>
    private string? Error()
    {
        const int Most = LabelVocabulary.Most;
        var errors = new OptionErrors();

        var labelErrors = errors.In(nameof(Labels));
        Network.Check(errors.In(nameof(Network)), Most);
        Labels.Check(labelErrors);
        labelErrors.Check(
            Labels.Count == Network.Labels,
            nameof(Labels.Count),
            $"{Network.Labels}, as in {nameof(Network)}",
            Labels.Count);

        errors.Defined(Schedule);
        errors.Positive(Timesteps, Most);
        errors.Defined(Prediction);

        errors.ColumnName(LabelColumnName);
        errors.ColumnName(OutputColumnName);
        errors.ColumnNameOrNull(PixelsColumnName);
        errors.AnotherColumn(PixelsColumnName, OutputColumnName);
        errors.ColumnNameOrNull(SeedColumnName);

        Sampling.Check(errors, GeneratesUnlabelled, owner: nameof(Sampling));
        errors.PositiveOrNull(BatchSize, Most);

        return errors.Text;
    }
}

/// <summary>Reads and writes the JSON without reflection.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    NewLine = "\n",
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ModelDescription))]
internal sealed partial class ModelJson : JsonSerializerContext;
