using System.Text.Json;
using System.Text.Json.Serialization;

namespace CondDiffusion.MLNet.Training;

/// <summary>Running averages of the training loss.</summary>
/// <param name="EpochSum">The sum of the loss over the epoch's images so far.</param>
/// <param name="EpochImages">The number of the epoch's images so far.</param>
/// <param name="Decaying">An exponential moving average that started at 0.</param>
/// <param name="Weight">The value that this average would have if every loss had been 1.</param>
internal readonly record struct LossAverages(double EpochSum, long EpochImages, double Decaying, double Weight)
{
    private const double Smoothing = 0.98;

    /// <summary>The mean loss of the epoch's images so far.</summary>
    [JsonIgnore]
    public double Mean => EpochSum / EpochImages;

    /// <summary>The exponential moving average of the losses, corrected for its start at 0.</summary>
    [JsonIgnore]
    public double Smoothed => Decaying / Weight;

    /// <summary>Returns the averages with the loss of one more step.</summary>
    public LossAverages With(double loss, int images) => new(
        EpochSum + loss * images,
        EpochImages + images,
        Smoothing * Decaying + (1 - Smoothing) * loss,
        Smoothing * Weight + (1 - Smoothing));

    /// <summary>Returns the averages at the start of the next epoch.</summary>
    public LossAverages NextEpoch() => this with { EpochSum = 0, EpochImages = 0 };

    public static LossAverages Parse(string json) =>
        JsonSerializer.Deserialize(json, LossAveragesJson.Default.LossAverages);

    public string ToJson() => JsonSerializer.Serialize(this, LossAveragesJson.Default.LossAverages);
}
