using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using CondDiffusion.MLNet.Files;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The directory with the checkpoints of one training: safetensors files named by their step and the start of their
/// SHA-256. A file appears under its name when it is complete and durable. Nobody else can use the directory meanwhile.
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

    /// <summary>
    /// The files that may be deleted when they are too many, by step: those written here, and those adopted.
    /// </summary>
    private readonly SortedList<long, string> _own = [];

    private bool _warned;

    /// <param name="directory">The directory; it is created where it is missing.</param>
    /// <param name="kept">Checkpoints to keep, the newest.</param>
    /// <param name="warn">Receives warnings.</param>
    /// <exception cref="InvalidOperationException">
    /// The directory cannot be written to, or another training uses it.
    /// </exception>
    public CheckpointStore(string directory, int kept, Action<string> warn)
    {
        _directory = directory;
        _kept = kept;
        _warn = warn;
        var what = $"CheckpointDirectory '{directory}' cannot be used; is another training using it?";
        _lock = FileErrors.Explain(what, () =>
        {
            Directory.CreateDirectory(directory);

            // The file stays: deleting it would let a third training lock a new file of that name beside one that waits
            // for the old.
            var file = Path.Combine(directory, "checkpoints.lock");
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1);
        });

        TryOnTheFileSystem(() =>
        {
            var files = Directory.GetFiles(directory, $"{Prefix}*{TemporaryExtension}");
            foreach (var abandoned in files.Where(IsTemporary)) TryDelete(abandoned);
        });
    }

    /// <summary>
    /// Returns the checkpoints whose content has the hash in their name, the newest first. Damaged ones are renamed, so
    /// that they are not taken for the newest; they are never deleted.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// There are checkpoints, but none can be read; or the directory cannot.
    /// </exception>
    public IReadOnlyList<Checkpoint> FindAll() =>
        FileErrors.Explain($"CheckpointDirectory '{_directory}' cannot be read", FindIntact);

    /// <summary>Makes a checkpoint one of those that may be deleted when they are too many.</summary>
    public void Adopt(Checkpoint checkpoint) => _own[checkpoint.Step] = checkpoint.Path;

    private IReadOnlyList<Checkpoint> FindIntact()
    {
        var files = Directory.GetFiles(_directory, $"{Prefix}*{Extension}").Where(file => Step(file) >= 0).ToArray();
        if (files.Length == 0) return [];

        var damages = files.ToDictionary(file => file, FindDamage);
        if (damages.Values.All(damage => damage is not null))
        {
            var names = files.Order(StringComparer.Ordinal)
                .Select(file => $"{Path.GetFileName(file)}: {damages[file]!.Message}");
            var isInUse = damages.Values.Any(damage => FileErrors.IsOne(damage!));
            throw new InvalidOperationException(
                $"CheckpointDirectory '{_directory}': no checkpoint can be read ({string.Join("; ", names)}). " +
                (isInUse ? "Make one readable and try again" : "Restore one") +
                ", or choose an empty directory to start over.");
        }

        foreach (var (file, damage) in damages)
        {
            if (damage is not null) SetAside(file, damage);
        }

        return [.. files.Where(file => damages[file] is null).OrderByDescending(Step).Select(Open)];
    }

    /// <summary>Reads a checkpoint into a state.</summary>
    /// <exception cref="InvalidOperationException">
    /// It holds the state of another network or of other options.
    /// </exception>
    public static void Read(Checkpoint checkpoint, TrainingState state)
    {
        try
        {
            using var scope = NewDisposeScope();
            using var stream = File.OpenRead(checkpoint.Path);
            Safetensors.Read(stream, state.Tensors());
            state.Step = checkpoint.Step;
            state.Losses = LossAverages.Parse(checkpoint.Metadata[nameof(TrainingState.Losses)]);
            state.Best = int.Parse(checkpoint.Metadata[nameof(TrainingState.Best)], CultureInfo.InvariantCulture);
            state.BestStep = long.Parse(
                checkpoint.Metadata[nameof(TrainingState.BestStep)], CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (
            exception is FormatException or KeyNotFoundException or JsonException || FileErrors.IsOne(exception))
        {
            throw new InvalidOperationException(
                $"The checkpoint '{checkpoint.Path}' cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Writes a checkpoint, and then deletes the oldest ones that are too many.</summary>
    /// <param name="state">The state to write.</param>
    /// <param name="identity">Everything that decides the training's result, by option name.</param>
    /// <param name="lasting">The step whose checkpoint is kept besides.</param>
    /// <returns>The file.</returns>
    /// <exception cref="InvalidOperationException">It cannot be written.</exception>
    public string Save(TrainingState state, IReadOnlyDictionary<string, string> identity, long lasting)
    {
        var temporary = Path.Combine(_directory, $"{Prefix}{Guid.NewGuid():N}{TemporaryExtension}");
        var what = $"CheckpointDirectory '{_directory}' cannot be written to";
        var file = FileErrors.Explain(what, () => AtomicFile.Write(temporary, () =>
        {
            var hash = Write(temporary, state, identity);
            return Path.Combine(_directory, Name(state.Step, hash));
        }));

        if (_own.TryGetValue(state.Step, out var old) && old != file) TryDelete(old);
        _own[state.Step] = file;
        foreach (var step in _own.Keys.Where(step => step != lasting).SkipLast(_kept).ToArray())
        {
            TryDelete(_own[step]);
            _own.Remove(step);
        }

        return file;
    }

    public void Dispose() => _lock.Dispose();

    private static byte[] Write(string file, TrainingState state, IReadOnlyDictionary<string, string> identity)
    {
        using var scope = NewDisposeScope();
        var metadata = new Dictionary<string, string>(identity)
        {
            [nameof(TrainingState.Losses)] = state.Losses.ToJson(),
            [nameof(TrainingState.Best)] = state.Best.ToString(CultureInfo.InvariantCulture),
            [nameof(TrainingState.BestStep)] = state.BestStep.ToString(CultureInfo.InvariantCulture),
        };
        using var hash = SHA256.Create();
        using var stream = File.Create(file);
        using (var hashing = new CryptoStream(stream, hash, CryptoStreamMode.Write, leaveOpen: true))
            Safetensors.Write(hashing, state.Tensors(), metadata);
        return hash.Hash!;
    }

    private static Checkpoint Open(string file)
    {
        using var stream = File.OpenRead(file);
        return new(file, Step(file), Safetensors.ReadMetadata(stream));
    }

    /// <summary>Returns what is wrong with a file; null if nothing is.</summary>
    private static Exception? FindDamage(string file)
    {
        try
        {
            using var stream = File.OpenRead(file);
            if (Name(Step(file), SHA256.HashData(stream)) != Path.GetFileName(file))
                return new FormatException("Its content does not have the hash in its name.");

            stream.Position = 0;
            Safetensors.ReadMetadata(stream);
            return null;
        }
        catch (Exception exception) when (FileErrors.IsOne(exception) || exception is FormatException)
        {
            return exception;
        }
    }

    /// <summary>Renames a damaged file. One that could not be read stays: it may be intact, and in use.</summary>
    private void SetAside(string file, Exception damage)
    {
        if (FileErrors.IsOne(damage))
        {
            _warn($"The checkpoint '{file}' cannot be read, and is passed over: {damage.Message}");
            return;
        }

        _warn($"The checkpoint '{file}' is damaged, and is renamed to *{DamagedExtension}: {damage.Message}");
        TryOnTheFileSystem(() => File.Move(file, file + DamagedExtension, overwrite: true));
    }

    private static string Name(long step, byte[] hash)
    {
        var digits = Convert.ToHexStringLower(hash)[..HashDigits];
        return string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D9}-{digits}{Extension}");
    }

    /// <summary>Returns whether a name is that of a file which <see cref="Save"/> has begun.</summary>
    private static bool IsTemporary(string file) =>
        Guid.TryParseExact(Path.GetFileNameWithoutExtension(file)[Prefix.Length..], "N", out _);

    /// <summary>Returns the step that a file's name states; -1 if the name is not a checkpoint's.</summary>
    private static long Step(string file) =>
        Path.GetFileNameWithoutExtension(file).Split('-') is [_, var step, { Length: HashDigits }]
        && long.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : -1;

    /// <summary>
    /// Deletes a file, or leaves it there: somebody may have it open, and a training is worth more than the space.
    /// </summary>
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
