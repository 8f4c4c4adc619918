using System.Globalization;

namespace CondDiffusion.MLNet.Training;

/// <summary>An intact checkpoint file.</summary>
/// <param name="Path">The file.</param>
/// <param name="Step">The number of steps done when it was written.</param>
/// <param name="Metadata">What decided the training's result, by option name, and the losses so far.</param>
internal sealed record Checkpoint(string Path, long Step, IReadOnlyDictionary<string, string> Metadata)
{
    /// <summary>The seed of the training that wrote it.</summary>
    public int Seed => int.Parse(Metadata["Seed"], CultureInfo.InvariantCulture);

    /// <summary>Checks that it belongs to a training.</summary>
    /// <param name="identity">Everything that decides the training's result, by option name.</param>
    /// <exception cref="InvalidOperationException">
    /// It belongs to another training; the message lists the differences.
    /// </exception>
    public void CheckSame(IReadOnlyDictionary<string, string> identity)
    {
        var differences = new List<string>();
        foreach (var (option, now) in identity)
        {
            var then = Metadata.GetValueOrDefault(option, "unknown");
            if (now != then) differences.Add($"{option} was {then} and is {now}");
        }

        if (differences.Count > 0)
        {
            throw new InvalidOperationException(
                $"The checkpoint '{Path}' belongs to another training: {string.Join("; ", differences)}. " +
                "Train with the same options and data to resume from it, or choose another CheckpointDirectory.");
        }
    }
}
