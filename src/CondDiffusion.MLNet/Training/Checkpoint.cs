using System.Globalization;

namespace CondDiffusion.MLNet.Training;

/// <summary>An intact checkpoint file.</summary>
/// <param name="Path">The file.</param>
/// <param name="Step">The number of steps done when it was written.</param>
/// <param name="Metadata">What decided the training's result, by option name, and the losses so far.</param>
internal sealed record Checkpoint(string Path, long Step, IReadOnlyDictionary<string, string> Metadata)
{
    /// <summary>
    /// The entry of the identity that numbers the algorithms: under another number, equal options gave other weights.
    /// </summary>
    public const string Algorithm = "algorithm";

    /// <summary>The entry of the identity that names the kind of device.</summary>
    public const string Device = "device";

    /// <summary>The entry of the identity with the number of the images and their hash.</summary>
    public const string Images = "images";

    /// <summary>
    /// The entry of the identity with the number of epochs, where that decides the steps up to the checkpoint.
    /// </summary>
    public const string Length = "Epochs";

    /// <summary>What entries mean that are missing in a checkpoint, since they were added later.</summary>
    private static readonly Dictionary<string, string> Defaults = new()
    {
        [Algorithm] = "1",
        [Device] = "CPU",
        [nameof(Optimizer)] = $"{Optimizer.Adam}",
        ["ShiftFraction"] = "0",
        ["RotationDegrees"] = "0",
        ["ScaleFraction"] = "0",
        ["AugmentationFraction"] = "0.5",
        ["LabelSharing"] = "0",
    };

    /// <summary>The seed of the training that wrote it.</summary>
    /// <exception cref="InvalidOperationException">The file has none.</exception>
    public int Seed =>
        int.TryParse(Metadata.GetValueOrDefault("Seed"), CultureInfo.InvariantCulture, out var seed)
            ? seed
            : throw new InvalidOperationException($"The checkpoint '{Path}' cannot be read: it has no seed.");

    /// <summary>The number of epochs that decided its steps; null where none did.</summary>
    public string? Epochs => Metadata.GetValueOrDefault(Length);

    /// <summary>Checks that it belongs to a training.</summary>
    /// <param name="identity">Everything that decides the training's result, by option name.</param>
    /// <exception cref="InvalidOperationException">
    /// It belongs to another training; the message lists the differences.
    /// </exception>
    public void CheckSame(IReadOnlyDictionary<string, string> identity)
    {
        if (IsSame(identity)) return;

        throw new InvalidOperationException(
            $"The checkpoint '{Path}' belongs to another training: {string.Join("; ", FindDifferences(identity))}. " +
            "Train with the same options and data to resume from it, or choose another CheckpointDirectory.");
    }

    /// <summary>Returns whether it belongs to a training.</summary>
    /// <param name="identity">Everything that decides the training's result, by option name.</param>
    public bool IsSame(IReadOnlyDictionary<string, string> identity) => !FindDifferences(identity).Any();

    private IEnumerable<string> FindDifferences(IReadOnlyDictionary<string, string> identity)
    {
        foreach (var (option, now) in identity)
        {
            var then = Metadata.GetValueOrDefault(option) ?? Defaults.GetValueOrDefault(option, "unknown");
            if (now != then) yield return $"{option} was {then} and is {now}";
        }
    }
}
