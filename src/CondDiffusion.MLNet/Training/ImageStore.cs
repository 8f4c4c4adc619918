using System.Runtime.InteropServices;
using System.Security.Cryptography;
using CondDiffusion.MLNet.Imaging;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The training images, read once and kept in memory or on disk. An image takes 8 bits a value as long as every value
/// is one of the 256 that an 8-bit image scaled to [-1, 1] can hold; from the first image with another value on, images
/// take 32 bits a value. The labels are in memory, 4 bytes each, and so are weights other than 1. Once all images are
/// added, any number of threads may read.
/// </summary>
/// <param name="pixels">The number of values of an image.</param>
/// <param name="memory">The most memory that the images may take, in bytes.</param>
/// <param name="directory">The directory for the images beyond that, in a file that disappears with the store.</param>
/// <param name="hashes">Whether to compute <see cref="Fingerprint"/>.</param>
internal sealed class ImageStore(
    int pixels, long memory = long.MaxValue, string directory = "", bool hashes = true) : IDisposable
{
    private static readonly float[] Levels =
        [.. Enumerable.Range(0, 256).Select(level => (level - PixelConversion.Offset) * PixelConversion.Scale)];

    private readonly ByteStore _bytes = new(memory, directory);
    private readonly IncrementalHash? _hash = hashes ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
    private readonly List<int> _labels = [];
    private readonly byte[] _levels = new byte[pixels];

    /// <summary>The weights of the images; null while every weight is 1.</summary>
    private List<float>? _weights;

    /// <summary>Whether each image is generated; null while none is.</summary>
    private List<bool>? _areGenerated;

    /// <summary>The number of images of 8 bits a value, which come before the others.</summary>
    private int _eightBit;

    /// <summary>The number of values of an image.</summary>
    public int Pixels => pixels;

    /// <summary>The number of images.</summary>
    public int Count => _labels.Count;

    /// <summary>The label row of each image.</summary>
    public IReadOnlyList<int> Labels => _labels;

    /// <summary>Whether each image is generated; null if none is.</summary>
    public IReadOnlyList<bool>? AreGenerated => _areGenerated;

    /// <summary>The number of bytes that are on disk.</summary>
    public long OnDisk => _bytes.OnDisk;

    /// <summary>
    /// The SHA-256 of the images and labels in their order, in hexadecimal digits. It does not depend on where they are
    /// kept.
    /// </summary>
    /// <exception cref="InvalidOperationException">The store was created without.</exception>
    public string Fingerprint => _hash is null
        ? throw new InvalidOperationException("This store computes no hash of its images.")
        : Convert.ToHexStringLower(_hash.GetCurrentHash());

    /// <summary>Adds an image.</summary>
    /// <param name="image">The values, in [-1, 1].</param>
    /// <param name="label">The label row.</param>
    /// <param name="weight">How much the image counts in the loss.</param>
    /// <param name="isGenerated">Whether the image is generated.</param>
    /// <exception cref="IOException">
    /// The image must go to disk and cannot; the message names the directory and the size.
    /// </exception>
    public void Add(ReadOnlySpan<float> image, int label, float weight = 1, bool isGenerated = false)
    {
        var bytes = MemoryMarshal.AsBytes(image);
        if (_eightBit == Count && TryFindLevels(image))
        {
            _eightBit++;
            bytes = _levels;
        }

        _bytes.Add(bytes);
        if (weight != 1) _weights ??= [.. Enumerable.Repeat(1f, Count)];
        _weights?.Add(weight);
        if (isGenerated) _areGenerated ??= [.. Enumerable.Repeat(false, Count)];
        _areGenerated?.Add(isGenerated);
        _labels.Add(label);

        // The number of bytes distinguishes the two kinds of images, and its sign those of a weight other than 1.
        _hash?.AppendData(MemoryMarshal.AsBytes<int>([weight == 1 ? bytes.Length : -bytes.Length, label]));
        _hash?.AppendData(bytes);
        if (weight != 1) _hash?.AppendData(MemoryMarshal.AsBytes<float>([weight]));
        if (isGenerated) _hash?.AppendData([1]);
    }

    /// <summary>Returns how much an image counts in the loss.</summary>
    public float Weight(int index) => _weights?[index] ?? 1;

    /// <summary>Copies an image to <paramref name="image"/> and returns its label row.</summary>
    public int Read(int index, Span<float> image)
    {
        var bytes = MemoryMarshal.AsBytes(image);
        if (index < _eightBit)
        {
            // The levels go to the last quarter of the image's own memory: the values, written from its start on, never
            // overtake the levels that are still to be read.
            var levels = bytes[^pixels..];
            _bytes.Read(Offset(index), levels);
            for (var i = 0; i < levels.Length; i++) image[i] = Levels[levels[i]];
        }
        else
        {
            _bytes.Read(Offset(index), bytes);
        }
        return _labels[index];
    }

    public void Dispose()
    {
        _bytes.Dispose();
        _hash?.Dispose();
    }

    /// <summary>Returns where in the bytes an image starts.</summary>
    private long Offset(int index)
    {
        var eightBit = Math.Min(index, _eightBit);
        long floats = index - eightBit;
        return (eightBit + floats * sizeof(float)) * pixels;
    }

    private bool TryFindLevels(ReadOnlySpan<float> image)
    {
        for (var i = 0; i < image.Length; i++)
        {
            var level = (byte)MathF.Round(image[i] / PixelConversion.Scale + PixelConversion.Offset);
            if (Levels[level] != image[i]) return false;
            _levels[i] = level;
        }
        return true;
    }
}
