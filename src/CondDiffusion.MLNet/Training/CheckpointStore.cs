using System.Globalization;
using System.Security.Cryptography;
using CondDiffusion.MLNet.Files;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The directory with the checkpoints of one training: safetensors files named by their step and the start of their SHA-256. A file appears under
/// its name when it is complete and durable. Nobody else can use the directory meanwhile.
/// </summary>
internal sealed class CheckpointStore : IDisposable
{
    private const string Prefix = "checkpoint-";
    private const string Extension = ".safetensors";
    private const string TemporaryExtension = ".tmp";
    private const string DamagedExtension = ".damaged";
    private const int HashDigits = 16;

    private readonly string _directory;
    private readonly int _kept;
    private readonly Action<string> _warn;
    private readonly FileStream _lock;

    // The files that may be deleted when they are too many: those whose hash was found to be right, and those written here.
    private readonly SortedList<long, string> _intact = [];
    private bool _warned;

    /// <param name="directory">The directory; it is created where it is missing.</param>
    /// <param name="kept">Checkpoints to keep, the newest.</param>
    /// <param name="warn">Receives warnings.</param>
    /// <exception cref="InvalidOperationException">The directory cannot be written to, or another training uses it.</exception>
    public CheckpointStore(string directory, int kept, Action<string> warn)
    {
        _directory = directory;
        _kept = kept;
        _warn = warn;
        _lock = FileErrors.Explain($"CheckpointDirectory '{directory}' cannot be used; is another training using it?", () =>
        {
            Directory.CreateDirectory(directory);

            // The file stays: deleting it would let a third training lock a new file of that name beside one that waits for the old.
            return new FileStream(
                Path.Combine(directory, "checkpoints.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1);
        });

        foreach (var abandoned in Directory.GetFiles(directory, $"{Prefix}*{TemporaryExtension}")) TryDelete(abandoned);
    }

    /// <summary>
    /// Returns the newest checkpoint whose content has the hash in its name; null if the directory has no checkpoints. Damaged ones are
    /// renamed, so that they are not taken for the newest; they are never deleted.
    /// </summary>
    /// <exception cref="InvalidOperationException">There are checkpoints, but every one is damaged.</exception>
    public Checkpoint? FindNewest()
    {
        var files = Directory.GetFiles(_directory, $"{Prefix}*{Extension}").Where(file => Step(file) >= 0).OrderBy(Step).ToArray();
        if (files.Length == 0) return null;

        var damaged = files.Select(file => (File: file, Reason: FindDamage(file))).Where(file => file.Reason is not null).ToArray();
        if (damaged.Length == files.Length)
        {
            throw new InvalidOperationException(
                $"CheckpointDirectory '{_directory}': every checkpoint is damaged ({string.Join(", ", files.Select(Path.GetFileName))}). " +
                "Restore one, or choose an empty directory to start over.");
        }

        foreach (var (file, reason) in damaged)
        {
            _warn($"The checkpoint '{file}' is damaged: {reason} It is set aside with the extension {DamagedExtension}.");
            TryOnTheFileSystem(() => File.Move(file, file + DamagedExtension, overwrite: true));
        }

        foreach (var file in files.Except(damaged.Select(file => file.File))) _intact[Step(file)] = file;
        var newest = _intact.Values[^1];
        using var stream = File.OpenRead(newest);
        return new(newest, Step(newest), Safetensors.ReadMetadata(stream));
    }

    /// <summary>Reads a checkpoint into a state.</summary>
    /// <exception cref="InvalidOperationException">It holds the state of another network or of other options.</exception>
    public static void Read(Checkpoint checkpoint, TrainingState state)
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
    }

    /// <summary>Writes a checkpoint, and then deletes the intact ones that are too many.</summary>
    /// <returns>The file.</returns>
    /// <exception cref="InvalidOperationException">It cannot be written.</exception>
    public string Save(TrainingState state, IReadOnlyDictionary<string, string> identity)
    {
        var temporary = Path.Combine(_directory, $"{Prefix}{Guid.NewGuid():N}{TemporaryExtension}");
        var file = FileErrors.Explain($"CheckpointDirectory '{_directory}' cannot be written to", () => AtomicFile.Write(temporary, () =>
        {
            var hash = Write(temporary, state, identity);
            return Path.Combine(_directory, Name(state.Step, hash));
        }));

        _intact[state.Step] = file;
        while (_intact.Count > _kept)
        {
            TryDelete(_intact.Values[0]);
            _intact.RemoveAt(0);
        }

        return file;
    }

    public void Dispose() => _lock.Dispose();

    private static byte[] Write(string file, TrainingState state, IReadOnlyDictionary<string, string> identity)
    {
        using var scope = NewDisposeScope();
        var metadata = new Dictionary<string, string>(identity) { [nameof(TrainingState.Losses)] = state.Losses.ToJson() };
        using var hash = SHA256.Create();
        using var stream = File.Create(file);
        using (var hashing = new CryptoStream(stream, hash, CryptoStreamMode.Write, leaveOpen: true))
            Safetensors.Write(hashing, state.Tensors(), metadata);
        return hash.Hash!;
    }

    /// <summary>Returns what is wrong with a file, as a sentence; null if nothing is.</summary>
    private static string? FindDamage(string file)
    {
        try
        {
            using var stream = File.OpenRead(file);
            if (Name(Step(file), SHA256.HashData(stream)) != Path.GetFileName(file))
                return "its content does not have the hash in its name.";

            stream.Position = 0;
            Safetensors.ReadMetadata(stream);
            return null;
        }
        catch (Exception exception) when (FileErrors.IsOne(exception) || exception is FormatException)
        {
            return exception.Message;
        }
    }

    private static string Name(long step, byte[] hash) =>
        string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D9}-{Convert.ToHexStringLower(hash)[..HashDigits]}{Extension}");

    /// <summary>Returns the step that a file's name states; -1 if the name is not a checkpoint's.</summary>
    private static long Step(string file) =>
        Path.GetFileNameWithoutExtension(file).Split('-') is [_, var step, { Length: HashDigits }]
        && long.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1;

    /// <summary>Deletes a file, or leaves it there: somebody may have it open, and a training is worth more than the room.</summary>
    private void TryDelete(string file) => TryOnTheFileSystem(() => File.Delete(file));

    private void TryOnTheFileSystem(Action action)
    {
        try
        {
            action();
        }
        catch (Exception exception) when (FileErrors.IsOne(exception))
        {
            if (!_warned) _warn($"CheckpointDirectory '{_directory}' could not be tidied up: {exception.Message}");
            _warned = true;
        }
    }
}
