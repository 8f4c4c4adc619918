using System.Text.Json;
using System.Text.Json.Serialization;

namespace CondDiffusion.MLNet.Training;

/// <summary>Running averages of the training loss.</summary>
/// <param name="EpochSum">The loss, summed over the epoch's images so far.</param>
/// <param name="EpochImages">The epoch's images so far.</param>
/// <param name="Decaying">An exponential moving average that started at 0.</param>
/// <param name="Weight">What that average would be, had every loss been 1.</param>
internal readonly record struct LossAverages(double EpochSum, long EpochImages, double Decaying, double Weight)
{
    private const double Smoothing = 0.98;

    /// <summary>Mean loss of the epoch's images so far.</summary>
    [JsonIgnore]
    public double Mean => EpochSum / EpochImages;

    /// <summary>Exponential moving average of the losses, without the pull of its start.</summary>
    [JsonIgnore]
    public double Smoothed => Decaying / Weight;

    /// <summary>The averages with one more step's loss.</summary>
    public LossAverages With(double loss, int images) => new(
        EpochSum + loss * images, EpochImages + images,
        Smoothing * Decaying + (1 - Smoothing) * loss, Smoothing * Weight + (1 - Smoothing));

    /// <summary>The averages at the start of an epoch.</summary>
    public LossAverages NextEpoch() => this with { EpochSum = 0, EpochImages = 0 };

    public static LossAverages Parse(string json) => JsonSerializer.Deserialize(json, LossAveragesJson.Default.LossAverages);

    public string ToJson() => JsonSerializer.Serialize(this, LossAveragesJson.Default.LossAverages);
}

/// <summary>Reads and writes the JSON without reflection, every number exactly.</summary>
[JsonSerializable(typeof(LossAverages))]
internal sealed partial class LossAveragesJson : JsonSerializerContext;
