using System.Collections.ObjectModel;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The checkpoints of one training: safetensors files named by their step and the start of their SHA-256. A file appears under its name when
/// it is complete; the newest are kept. Nobody else can use the directory meanwhile.
/// </summary>
internal sealed class CheckpointDirectory : IDisposable
{
    private const string Prefix = "checkpoint-", Extension = ".safetensors", TemporaryExtension = ".tmp";
    private const int HashDigits = 16;

    private readonly Settings _settings;
    private readonly FileStream _lock;
    private readonly Stopwatch _sinceSave = Stopwatch.StartNew();
    private long _savedStep;

    /// <exception cref="InvalidOperationException">The directory cannot be written to, or another training uses it.</exception>
    public CheckpointDirectory(Settings settings)
    {
        _settings = settings;
        _lock = Try("cannot be used; is another training using it?", () =>
        {
            Directory.CreateDirectory(settings.Path);
            return new FileStream(
                Path.Combine(settings.Path, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        });
        foreach (var abandoned in Directory.GetFiles(settings.Path, $"{Prefix}*{TemporaryExtension}")) File.Delete(abandoned);
    }

    /// <summary>What decides the training, by option; every checkpoint tells it.</summary>
    public IReadOnlyDictionary<string, string> Identity { get; set; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>The newest checkpoint that was read or written; null if there is none.</summary>
    public string? Last { get; private set; }

    /// <summary>Whether it is time for another checkpoint after a step.</summary>
    public bool IsDue(long step) =>
        step != _savedStep && (_sinceSave.Elapsed >= _settings.Interval || _settings.Steps > 0 && step - _savedStep >= _settings.Steps);

    /// <summary>The newest checkpoint whose content has the hash that its name says; null if the directory has no checkpoints.</summary>
    /// <param name="warn">Is told of each damaged one that is newer.</param>
    /// <exception cref="InvalidOperationException">There are checkpoints, but every one is damaged.</exception>
    public Checkpoint? FindNewest(Action<string> warn)
    {
        var files = Files();
        foreach (var file in files.Reverse())
        {
            try
            {
                using var stream = File.OpenRead(file);
                if (Name(Step(file), SHA256.HashData(stream)) != Path.GetFileName(file)) throw new FormatException("its content does not have its name's hash.");
                stream.Position = 0;
                return new(file, Step(file), Safetensors.ReadMetadata(stream));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException)
            {
                warn($"The checkpoint '{file}' is damaged: {exception.Message}");
            }
        }
        return files.Length == 0 ? null : throw new InvalidOperationException(
            $"CheckpointDirectory '{_settings.Path}': every checkpoint is damaged ({string.Join(", ", files.Select(Path.GetFileName))}). " +
            "Restore one, or choose an empty directory to start over.");
    }

    /// <summary>Brings a state to where it was when the checkpoint was written.</summary>
    /// <exception cref="InvalidOperationException">It holds the state of another network or of other options.</exception>
    public void Restore(Checkpoint checkpoint, TrainingState state)
    {
        try
        {
            using var scope = NewDisposeScope();
            using var stream = File.OpenRead(checkpoint.Path);
            Safetensors.Read(stream, state.Tensors());
            state.Step = checkpoint.Step;
            state.Losses = LossAverages.Parse(checkpoint.Metadata[nameof(TrainingState.Losses)]);
        }
        catch (FormatException exception)
        {
            throw new InvalidOperationException($"The checkpoint '{checkpoint.Path}' cannot be read: {exception.Message}", exception);
        }
        (Last, _savedStep) = (checkpoint.Path, checkpoint.Step);
        _sinceSave.Restart();
    }

    /// <summary>Writes a checkpoint, and then deletes those that are too many.</summary>
    /// <exception cref="InvalidOperationException">It cannot be written.</exception>
    public void Save(TrainingState state)
    {
        var temporary = Path.Combine(_settings.Path, $"{Prefix}{Guid.NewGuid():N}{TemporaryExtension}");
        Last = Try("cannot be written to", () =>
        {
            try
            {
                var file = Path.Combine(_settings.Path, Name(state.Step, Write(temporary, state)));
                File.Move(temporary, file, overwrite: true);
                return file;
            }
            finally
            {
                File.Delete(temporary);
            }
        });
        _savedStep = state.Step;
        _sinceSave.Restart();
        foreach (var old in Files().SkipLast(_settings.Kept)) File.Delete(old);
    }

    public void Dispose() => _lock.Dispose();

    private byte[] Write(string file, TrainingState state)
    {
        using var scope = NewDisposeScope();
        var metadata = new Dictionary<string, string>(Identity) { [nameof(TrainingState.Losses)] = state.Losses.ToJson() };
        using var hash = SHA256.Create();
        using (var stream = File.Create(file))
        {
            using (var hashing = new CryptoStream(stream, hash, CryptoStreamMode.Write, leaveOpen: true))
                Safetensors.Write(hashing, state.Tensors(), metadata);
            stream.Flush(flushToDisk: true);
        }
        return hash.Hash!;
    }

    /// <summary>The checkpoints, the newest last.</summary>
    private string[] Files() => [.. Directory.GetFiles(_settings.Path, $"{Prefix}*{Extension}").Where(file => Step(file) >= 0).OrderBy(Step)];

    private static string Name(long step, byte[] hash) =>
        string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D9}-{Convert.ToHexStringLower(hash)[..HashDigits]}{Extension}");

    private static long Step(string file) =>
        Path.GetFileNameWithoutExtension(file).Split('-') is [_, var step, { Length: HashDigits }]
        && long.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1;

    private T Try<T>(string what, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"CheckpointDirectory '{_settings.Path}' {what}: {exception.Message}", exception);
        }
    }

    /// <summary>Where checkpoints go, and when.</summary>
    /// <param name="Path">The directory.</param>
    /// <param name="Interval">The most time between two.</param>
    /// <param name="Steps">The most steps between two; 0 for any number.</param>
    /// <param name="Kept">How many of the newest to keep.</param>
    internal sealed record Settings(string Path, TimeSpan Interval, int Steps, int Kept);
}
