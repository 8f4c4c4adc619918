using System.Buffers.Binary;
using System.IO.Compression;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Writes small files in the format of MNIST.</summary>
internal static class IdxWriter
{
    public const int Height = 2;
    public const int Width = 3;
    public const string Images = "train-images-idx3-ubyte";
    public const string Labels = "train-labels-idx1-ubyte";

    /// <summary>Returns the level of a pixel in the sets that <see cref="WriteSet"/> writes.</summary>
    public static byte Level(int row, int pixel) => (byte)(10 * row + pixel);

    public static byte Label(int row) => (byte)(row * 7 % 10);

    /// <summary>
    /// Returns the bytes of an IDX file: the magic number and lengths as given, right or wrong, then the data.
    /// </summary>
    public static byte[] Bytes(uint magic, uint[] lengths, byte[] data)
    {
        var bytes = new byte[4 * (1 + lengths.Length) + data.Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, magic);
        for (var i = 0; i < lengths.Length; i++)
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(4 * (1 + i)), lengths[i]);

        data.CopyTo(bytes, bytes.Length - data.Length);
        return bytes;
    }

    public static byte[] ImageBytes(int rows) => Bytes(
        2051,
        [(uint)rows, Height, Width],
        [.. Enumerable.Range(0, rows * Height * Width).Select(i => Level(i / (Height * Width), i % (Height * Width)))]);

    public static byte[] LabelBytes(int rows) =>
        Bytes(2049, [(uint)rows], [.. Enumerable.Range(0, rows).Select(Label)]);

    public static byte[] Gzip(byte[] bytes)
    {
        using var zipped = new MemoryStream();
        using (var gzip = new GZipStream(zipped, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return zipped.ToArray();
    }

    /// <summary>Writes a training set of this many rows, uncompressed.</summary>
    public static void WriteSet(TemporaryDirectory directory, int rows)
    {
        File.WriteAllBytes(directory.File(Images), ImageBytes(rows));
        File.WriteAllBytes(directory.File(Labels), LabelBytes(rows));
    }
}
