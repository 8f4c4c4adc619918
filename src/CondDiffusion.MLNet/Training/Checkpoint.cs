using System.Globalization;

namespace CondDiffusion.MLNet.Training;

/// <summary>An intact checkpoint file.</summary>
/// <param name="Path">The file.</param>
/// <param name="Step">Steps done when it was written.</param>
/// <param name="Metadata">What decided the training, by option, and the losses so far.</param>
internal sealed record Checkpoint(string Path, long Step, IReadOnlyDictionary<string, string> Metadata)
{
    /// <summary>The seed of the training that wrote it.</summary>
    public int Seed => int.Parse(Metadata["Seed"], CultureInfo.InvariantCulture);

    /// <exception cref="InvalidOperationException">What decides a training now differs from the checkpoint's; the message says in what.</exception>
    public void CheckSame(IReadOnlyDictionary<string, string> identity)
    {
        var differences = identity
            .Select(option => (option.Key, Now: option.Value, Then: Metadata.GetValueOrDefault(option.Key, "unknown")))
            .Where(option => option.Now != option.Then).Select(option => $"{option.Key} was {option.Then} and is {option.Now}").ToArray();
        if (differences.Length > 0)
            throw new InvalidOperationException(
                $"The checkpoint '{Path}' belongs to another training: {string.Join("; ", differences)}. " +
                "Train with the same options and data to go on from it, or choose another CheckpointDirectory.");
    }
}
