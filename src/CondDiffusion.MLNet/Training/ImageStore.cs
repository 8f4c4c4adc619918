namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The training images, read once and kept: 8 bits a value as long as every value is one of the 256 that an 8-bit image scaled to
/// [-1, 1] can hold, float32 from the first value that is not.
/// </summary>
internal sealed class ImageStore(int pixels)
{
    private const int RowsPerChunkAtMost = 4096, ValuesPerChunk = 1 << 22;

    private static readonly float[] Levels = [.. Enumerable.Range(0, 256).Select(level => (level - 127.5f) * (1 / 127.5f))];

    // Large images, of which there may be few, share a chunk with fewer others.
    private readonly int _rowsPerChunk = Math.Clamp(ValuesPerChunk / pixels, 1, RowsPerChunkAtMost);
    private readonly List<byte[]> _bytes = [];
    private readonly List<float[]> _floats = [];
    private readonly List<int> _labels = [];
    private bool _lossless = true;

    /// <summary>Images held.</summary>
    public int Count => _labels.Count;

    /// <summary>Adds an image: its values in [-1, 1], and its row of the label table.</summary>
    public void Add(ReadOnlySpan<float> image, int label)
    {
        if (_lossless && !TryAddBytes(image)) Widen();
        if (!_lossless) image.CopyTo(Slot(_floats));
        _labels.Add(label);
    }

    /// <summary>Copies one image to <paramref name="image"/> and returns its label.</summary>
    public int Read(int index, Span<float> image)
    {
        var (chunk, start) = (index / _rowsPerChunk, index % _rowsPerChunk * pixels);
        if (!_lossless) _floats[chunk].AsSpan(start, pixels).CopyTo(image);
        else
        {
            var bytes = _bytes[chunk].AsSpan(start, pixels);
            for (var i = 0; i < bytes.Length; i++) image[i] = Levels[bytes[i]];
        }
        return _labels[index];
    }

    /// <summary>SHA-256 of every image and label, in order.</summary>
    public string Fingerprint
    {
        get
        {
            using var hash = System.Security.Cryptography.IncrementalHash.CreateHash(System.Security.Cryptography.HashAlgorithmName.SHA256);
            var image = new float[pixels];
            for (var i = 0; i < Count; i++)
            {
                hash.AppendData(BitConverter.GetBytes(Read(i, image)));
                hash.AppendData(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(image));
            }
            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
    }

    private bool TryAddBytes(ReadOnlySpan<float> image)
    {
        var slot = Slot(_bytes);
        for (var i = 0; i < image.Length; i++)
        {
            var level = (byte)MathF.Round(image[i] * 127.5f + 127.5f);
            if (Levels[level] != image[i]) return false;
            slot[i] = level;
        }
        return true;
    }

    private void Widen()
    {
        _lossless = false;
        foreach (var chunk in _bytes) _floats.Add(Array.ConvertAll(chunk, level => Levels[level]));
        _bytes.Clear();
    }

    /// <summary>Where the next image goes.</summary>
    private Span<T> Slot<T>(List<T[]> chunks)
    {
        if (Count / _rowsPerChunk == chunks.Count) chunks.Add(new T[_rowsPerChunk * pixels]);
        return chunks[^1].AsSpan(Count % _rowsPerChunk * pixels, pixels);
    }
}
