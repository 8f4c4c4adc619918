using Microsoft.Win32.SafeHandles;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// A growing sequence of bytes: in memory up to a bound, and beyond it in a file. Once all bytes are added, any number
/// of threads may read.
/// </summary>
/// <param name="memory">The most bytes to keep in memory, besides a buffer of <see cref="ChunkSize"/> bytes.</param>
/// <param name="directory">The directory of the file, which is created only if it is needed.</param>
internal sealed class ByteStore(long memory, string directory) : IDisposable
{
    internal const int ChunkSize = 1 << 18;

    private readonly List<byte[]> _chunks = [];
    private byte[] _last = new byte[ChunkSize];
    private int _filled;
    private SafeFileHandle? _file;

    /// <summary>The size of the file, in bytes.</summary>
    public long OnDisk { get; private set; }

    /// <summary>Appends bytes.</summary>
    /// <exception cref="IOException">
    /// The file cannot be created or written; the message names the directory and the size.
    /// </exception>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_filled == ChunkSize) KeepLast();

            var part = bytes[..Math.Min(bytes.Length, ChunkSize - _filled)];
            part.CopyTo(_last.AsSpan(_filled));
            _filled += part.Length;
            bytes = bytes[part.Length..];
        }
    }

    /// <summary>Fills <paramref name="bytes"/> with the bytes from <paramref name="offset"/> on.</summary>
    public void Read(long offset, Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var start = (int)(offset % ChunkSize);
            var part = bytes[..Math.Min(bytes.Length, ChunkSize - start)];
            var read = ReadFromChunk(offset, start, part);
            offset += read;
            bytes = bytes[read..];
        }
    }

    public void Dispose() => _file?.Dispose();

    /// <summary>Reads bytes of one chunk, and returns how many it read: a file may give fewer than requested.</summary>
    private int ReadFromChunk(long offset, int start, Span<byte> part)
    {
        var inFile = offset - (long)_chunks.Count * ChunkSize;
        if (inFile >= 0 && inFile < OnDisk)
        {
            var read = RandomAccess.Read(_file!, part, inFile);
            return read > 0 ? read : throw new EndOfStreamException(
                $"The file of training images in '{directory}' has become shorter: it had {OnDisk} bytes, and now " +
                $"ends before byte {inFile}.");
        }

        var chunk = inFile < 0 ? _chunks[(int)(offset / ChunkSize)] : _last;
        chunk.AsSpan(start, part.Length).CopyTo(part);
        return part.Length;
    }

    private void KeepLast()
    {
        if (_chunks.Count < memory / ChunkSize)
        {
            _chunks.Add(_last);
            _last = new byte[ChunkSize];
        }
        else
        {
            WriteLast();
        }
        _filled = 0;
    }

    private void WriteLast()
    {
        try
        {
            _file ??= Open();
            RandomAccess.Write(_file, _last, OnDisk);
            OnDisk += ChunkSize;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException(
                $"The training images take more than {memory} bytes (ImageMemory), and the temporary directory " +
                $"'{directory}' cannot take the other {OnDisk + ChunkSize} bytes or more: {e.Message.TrimEnd('.')}. " +
                "Name another directory in MLContext.TempFilePath, or raise ImageMemory.",
                e);
        }
    }

    /// <summary>Opens a file that disappears with its handle, even if the process is killed.</summary>
    private SafeFileHandle Open()
    {
        var path = Path.Combine(directory, Path.GetRandomFileName());
        var file = File.OpenHandle(
            path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);

        // On Windows the system honours DeleteOnClose. Elsewhere .NET does, and a killed process never gets there; but
        // there an open file needs no name, so it can be deleted now.
        if (!OperatingSystem.IsWindows()) File.Delete(path);
        return file;
    }
}
