using System.Text.Json.Serialization;
using CondDiffusion.MLNet.Network;

namespace CondDiffusion.MLNet;

/// <summary>Everything about a trained model but its weights, as the model file's JSON holds it.</summary>
internal sealed record ModelDescription
{
    public required UNetShape Network { get; init; }

    /// <summary>Steps of the linear noise schedule, T.</summary>
    public required int Timesteps { get; init; }

    public required LabelVocabulary Labels { get; init; }

    public required string LabelColumnName { get; init; }

    public required string OutputColumnName { get; init; }

    public string? PixelsColumnName { get; init; }

    public string? SeedColumnName { get; init; }

    /// <summary>Images generated at a time.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Decides every row's noise, with the row's id or seed.</summary>
    public required ulong Seed { get; init; }

    public static ModelDescription Of(ConditionalDiffusionTrainer.Options options, LabelVocabulary labels, ulong seed) => new()
    {
        Network = options.NetworkShape(labels.Count),
        Timesteps = options.Timesteps,
        Labels = labels,
        LabelColumnName = options.LabelColumnName,
        OutputColumnName = options.OutputColumnName,
        PixelsColumnName = options.PixelsColumnName,
        SeedColumnName = options.SeedColumnName,
        BatchSize = options.GenerationBatchSize,
        Seed = seed,
    };

    /// <summary>What is wrong with a description that was read from a file; null if nothing is.</summary>
    public string? Error()
    {
        static bool InRange(int value) => value is >= 1 and <= LabelVocabulary.Most;
        var (network, labels) = (Network, Labels);
        return
            network.Widths is not { Count: 3 } || !network.Widths.All(InRange) || !InRange(network.EmbeddingSize) || !InRange(network.Labels)
                || !InRange(network.Channels) || !InRange(network.Height) || !InRange(network.Width) || network.Height % 4 != 0 || network.Width % 4 != 0
                ? $"the network's shape is impossible: {network}" :
            labels.Count != network.Labels ? $"the network has {network.Labels} labels, the vocabulary {labels}" :
            labels.Error() is { } error ? error :
            !InRange(Timesteps) ? $"the schedule has {Timesteps} timesteps" :
            !InRange(BatchSize) ? $"the batch size is {BatchSize}" :
            null;
    }
}

/// <summary>Reads and writes the JSON without reflection.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, UseStringEnumConverter = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(ModelDescription))]
internal sealed partial class ModelJson : JsonSerializerContext;
