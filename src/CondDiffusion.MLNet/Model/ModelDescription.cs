using System.Text.Json;
using System.Text.Json.Serialization;
using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet.Model;

/// <summary>Everything about a trained model but its weights, as the model file's JSON holds it.</summary>
internal sealed record ModelDescription
{
    public required UNetShape Network { get; init; }

    public BetaSchedule Schedule { get; init; }

    /// <summary>Steps of the noise schedule, T.</summary>
    public required int Timesteps { get; init; }

    public PredictionTarget Prediction { get; init; }

    /// <summary>Whether the network has learnt to draw without a label.</summary>
    public bool DrawsUnlabelled { get; init; }

    /// <summary>What stands for no label among the rows of the label table; null where the network needs one.</summary>
    [JsonIgnore]
    public int? Unlabelled => DrawsUnlabelled ? -1 : null;

    public required LabelVocabulary Labels { get; init; }

    public required string LabelColumnName { get; init; }

    public required string OutputColumnName { get; init; }

    public string? PixelsColumnName { get; init; }

    public string? SeedColumnName { get; init; }

    /// <summary>
    /// How pictures are drawn. A file of format 1.1 does not say: its model draws by every step of the ancestral sampler in float32, as the
    /// library did then.
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

    /// <summary>Of rows that have none of their own.</summary>
    [JsonIgnore]
    public float GuidanceScale => (float)(Sampling.GuidanceScale ?? (DrawsUnlabelled ? 2 : 1));

    /// <summary>Images generated at a time; null for a number chosen where they are.</summary>
    public int? BatchSize { get; init; }

    /// <summary>Decides every row's noise, with the row's id or seed.</summary>
    public required ulong Seed { get; init; }

    /// <exception cref="FormatException">This is not the description of a possible model; the message says why.</exception>
    public static ModelDescription Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            var description = JsonSerializer.Deserialize(json, ModelJson.Default.ModelDescription);
            return description is null ? throw new FormatException("the description is null.")
                : description.Error() is { } error ? throw new FormatException($"{error}.")
                : description;
        }
        catch (JsonException exception)
        {
            throw new FormatException($"the description is not the expected JSON: {exception.Message}", exception);
        }
    }

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, ModelJson.Default.ModelDescription);

    private string? Error()
    {
        static bool InRange(int value) => value is >= 1 and <= LabelVocabulary.Most;
        var (network, labels) = (Network, Labels);
        var sampling = new OptionErrors();
        Sampling.Check(sampling, DrawsUnlabelled);
        string?[] added = [OutputColumnName, PixelsColumnName], names = [LabelColumnName, .. added, SeedColumnName];
        return
            network.Widths.Count != 3 || !network.Widths.All(InRange) || !InRange(network.EmbeddingSize) || !InRange(network.Labels)
                ? $"a network of widths [{string.Join(", ", network.Widths)}], embedding {network.EmbeddingSize} and {network.Labels} labels is impossible" :
            !InRange(network.Channels) || !UNetShape.IsSide(network.Height) || !UNetShape.IsSide(network.Width)
                || (Int128)network.Channels * network.Height * network.Width > UNetShape.MostPixels
                ? $"images of {network.Channels} x {network.Height} x {network.Width} are impossible" :
            labels.Count != network.Labels ? $"the network has {network.Labels} labels, the vocabulary {labels}" :
            labels.Error() is { } error ? error :
            !Enum.IsDefined(Schedule) || !Enum.IsDefined(Prediction) ? $"the schedule {Schedule} or the prediction {Prediction} is unknown" :
            names.Any(name => name is not null && string.IsNullOrWhiteSpace(name)) || added.Distinct().Count() < added.Length
                ? $"the columns' names are impossible: \"{string.Join("\", \"", names)}\"" :
            !InRange(Timesteps) ? $"the schedule has {Timesteps} timesteps" :
            sampling.Text is { } text ? $"its sampling is impossible: {text}" :
            BatchSize is { } size && !InRange(size) ? $"the batch size is {BatchSize}" :
            null;
    }
}

/// <summary>Reads and writes the JSON without reflection.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true, NewLine = "\n", UseStringEnumConverter = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ModelDescription))]
internal sealed partial class ModelJson : JsonSerializerContext;
