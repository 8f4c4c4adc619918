using Microsoft.Win32.SafeHandles;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Bytes, one after another: in memory up to a bound, those beyond it in a file. Once all are added, any number of threads may read.
/// </summary>
/// <param name="memory">The most to keep in memory, in bytes, beside a buffer of <see cref="ChunkSize"/>.</param>
/// <param name="directory">Where the file goes, if there must be one.</param>
internal sealed class ByteStore(long memory, string directory) : IDisposable
{
    internal const int ChunkSize = 1 << 18;

    private readonly List<byte[]> _chunks = [];
    private byte[] _last = new byte[ChunkSize];
    private int _filled;
    private SafeFileHandle? _file;

    /// <summary>Size of the file, in bytes.</summary>
    public long OnDisk { get; private set; }

    /// <exception cref="IOException">The file cannot be made or written; the message names the directory and the size.</exception>
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

    /// <summary>Copies what was added from <paramref name="offset"/> on to <paramref name="bytes"/>.</summary>
    public void Read(long offset, Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var (chunk, start) = ((int)(offset / ChunkSize), (int)(offset % ChunkSize));
            var part = bytes[..Math.Min(bytes.Length, ChunkSize - start)];
            var inFile = offset - (long)_chunks.Count * ChunkSize;
            var read = part.Length;
            if (inFile < 0) _chunks[chunk].AsSpan(start, read).CopyTo(part);
            else if (inFile < OnDisk) read = RandomAccess.Read(_file!, part, inFile);
            else _last.AsSpan(start, read).CopyTo(part);
            offset += read;
            bytes = bytes[read..];
        }
    }

    public void Dispose() => _file?.Dispose();

    private void KeepLast()
    {
        if (_chunks.Count < memory / ChunkSize)
        {
            _chunks.Add(_last);
            _last = new byte[ChunkSize];
        }
        else WriteLast();
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
                $"The training images take more than {memory} bytes (ImageMemory), and the temporary directory '{directory}' cannot " +
                $"take the other {OnDisk + ChunkSize} bytes or more: {e.Message.TrimEnd('.')}. " +
                "Name another directory in MLContext.TempFilePath, or raise ImageMemory.", e);
        }
    }

    /// <summary>Opens a file that goes when its handle does, be it that the process is killed.</summary>
    private SafeFileHandle Open()
    {
        var path = Path.Combine(directory, Path.GetRandomFileName());
        var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);
        // Windows itself sees to that option; elsewhere .NET does, which a killed process does not live to. There, an open file needs no name.
        if (!OperatingSystem.IsWindows()) File.Delete(path);
        return file;
    }
}
