using System.Text.Json.Serialization;

namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>A measured arm: a line of the results file.</summary>
internal sealed record StudyRow
{
    // What was measured. A row that the file has already is not measured again.

    public required StudyProtocol Protocol { get; init; }

    public required int Seed { get; init; }

    public required string Arm { get; init; }

    /// <summary>For each label, the fraction of its test images that were classified right.</summary>
    public required double[] Recalls { get; init; }

    /// <summary>Processor minutes of the classifier's training.</summary>
    public required double Minutes { get; init; }

    /// <summary>
    /// Processor minutes of the generator's training and of generating; null without one, and where an earlier run did
    /// a part.
    /// </summary>
    public double? GeneratorMinutes { get; init; }

    /// <summary>Generated images that the classifier refused; null where an earlier run generated a part.</summary>
    public int? Disputed { get; init; }

    /// <summary>Generated images that were near copies of real ones; null as before.</summary>
    public int? Copied { get; init; }

    public required string Commit { get; init; }

    public required string Machine { get; init; }

    public required string Command { get; init; }

    /// <summary>Gets the mean of the recalls of all labels.</summary>
    [JsonIgnore]
    public double MeanRecall => Recalls.Average();

    /// <summary>Returns the row in one line.</summary>
    public override string ToString() =>
        $"{Protocol.Data}, seed {Seed}, {Arm}: mean recall {MeanRecall:P2}, {Minutes:F1} minutes";
}
