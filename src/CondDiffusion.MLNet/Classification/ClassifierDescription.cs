using System.Text.Json;
using System.Text.Json.Serialization;
using CondDiffusion.MLNet.Model;

namespace CondDiffusion.MLNet.Classification;

/// <summary>
/// Everything about a trained classifier except its weights, as a model file contains it in JSON. The properties' names
/// and order are those of the JSON.
/// </summary>
internal sealed record ClassifierDescription
{
    /// <summary>Shape of the network, which also decides the size of an image.</summary>
    public required ClassifierShape Network { get; init; }

    /// <summary>Labels of the training data.</summary>
    public required LabelVocabulary Labels { get; init; }

    /// <summary>Name of the column of images or of their pixels.</summary>
    public required string FeatureColumnName { get; init; }

    /// <summary>Name of the added column with the most probable label.</summary>
    public required string PredictedLabelColumnName { get; init; }

    /// <summary>Name of the added column with the probabilities of the labels.</summary>
    public required string ScoreColumnName { get; init; }

    /// <summary>Name of the added column with the features; null for no such column.</summary>
    public string? FeaturesColumnName { get; init; }

    /// <summary>Reads a description from the JSON of a model file.</summary>
    /// <exception cref="FormatException">The JSON does not describe a possible classifier.</exception>
    public static ClassifierDescription Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            var description = JsonSerializer.Deserialize(json, ClassifierJson.Default.ClassifierDescription)
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
    public byte[] ToJson() =>
        JsonSerializer.SerializeToUtf8Bytes(this, ClassifierJson.Default.ClassifierDescription);

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

        errors.ColumnName(FeatureColumnName);
        errors.ColumnName(PredictedLabelColumnName);
        errors.ColumnName(ScoreColumnName);
        errors.AnotherColumn(ScoreColumnName, PredictedLabelColumnName);
        errors.ColumnNameOrNull(FeaturesColumnName);
        errors.AnotherColumn(FeaturesColumnName, PredictedLabelColumnName);
        errors.AnotherColumn(FeaturesColumnName, ScoreColumnName);
        return errors.Text;
    }
}

/// <summary>Reads and writes the JSON without reflection.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    NewLine = "\n",
    UseStringEnumConverter = true,
    IgnoreReadOnlyProperties = true, // which follow from the others
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ClassifierDescription))]
internal sealed partial class ClassifierJson : JsonSerializerContext;
