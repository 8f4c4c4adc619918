using System.Runtime.InteropServices;
using System.Security.Cryptography;
using CondDiffusion.MLNet.Imaging;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The training images, read once and kept, in memory or on disk: 8 bits a value as long as every value is one of the 256 that an 8-bit
/// image scaled to [-1, 1] can hold, float32 from the first image with one that is not. Labels are in memory, 4 bytes each. Once all images
/// are added, any number of threads may read.
/// </summary>
/// <param name="pixels">Values of an image.</param>
/// <param name="memory">The most memory for images, in bytes.</param>
/// <param name="directory">Where the images go that are beyond that, in a file that goes with the store.</param>
internal sealed class ImageStore(int pixels, long memory = long.MaxValue, string directory = "") : IDisposable
{
    private static readonly float[] Levels = [.. Enumerable.Range(0, 256).Select(level => (level - PixelConversion.Offset) * PixelConversion.Scale)];

    private readonly ByteStore _bytes = new(memory, directory);
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly List<int> _labels = [];
    private readonly byte[] _levels = new byte[pixels];
    private int _eightBit; // images of 8 bits a value, which come before the others

    /// <summary>Values of an image.</summary>
    public int Pixels => pixels;

    /// <summary>Images held.</summary>
    public int Count => _labels.Count;

    /// <summary>Bytes of them that are on disk.</summary>
    public long OnDisk => _bytes.OnDisk;

    /// <summary>SHA-256 of the images and labels in their order, as hexadecimal digits; wherever they are kept.</summary>
    public string Fingerprint => Convert.ToHexStringLower(_hash.GetCurrentHash());

    /// <summary>Adds an image: its values in [-1, 1], and its row of the label table.</summary>
    /// <exception cref="IOException">It must go to disk and cannot; the message names the directory and the size.</exception>
    public void Add(ReadOnlySpan<float> image, int label)
    {
        var bytes = MemoryMarshal.AsBytes(image);
        if (_eightBit == Count && TryFindLevels(image))
        {
            _eightBit++;
            bytes = _levels;
        }
        _bytes.Add(bytes);
        _labels.Add(label);
        _hash.AppendData(MemoryMarshal.AsBytes<int>([bytes.Length, label])); // the length tells the two kinds of images apart
        _hash.AppendData(bytes);
    }

    /// <summary>Copies one image to <paramref name="image"/> and returns its label.</summary>
    public int Read(int index, Span<float> image)
    {
        var label = _labels[index];
        var bytes = MemoryMarshal.AsBytes(image);
        if (index < _eightBit)
        {
            // In the last quarter of the image's own memory: the values written from its start on never overtake the levels still to be read.
            var levels = bytes[^pixels..];
            _bytes.Read(Offset(index), levels);
            for (var i = 0; i < levels.Length; i++) image[i] = Levels[levels[i]];
        }
        else _bytes.Read(Offset(index), bytes);
        return label;
    }

    public void Dispose()
    {
        _bytes.Dispose();
        _hash.Dispose();
    }

    private long Offset(int index) => pixels * (index < _eightBit ? index : _eightBit + (index - _eightBit) * (long)sizeof(float));

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
