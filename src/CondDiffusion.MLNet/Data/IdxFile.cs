using System.Buffers.Binary;
using System.IO.Compression;

namespace CondDiffusion.MLNet.Data;

/// <summary>
/// Reads a file of bytes in MNIST's IDX format, raw or compressed with gzip. The file consists of a header of
/// big-endian 32-bit integers (the magic number, the row count, and the length of each further dimension) and the rows
/// one after the other.
/// </summary>
internal sealed class IdxFile
{
    private const uint ByteMagic = 0x800; // plus the number of dimensions
    private const uint MaxSide = 4096; // bounds a row to 16 MB, which a cursor takes before it has read any
    private const int BlockLength = 1 << 16;

    private IdxFile(string path, int rowCount, int[] rowShape)
    {
        Path = path;
        RowCount = rowCount;
        RowShape = rowShape;
        RowLength = rowShape.Aggregate(1, (product, side) => product * side);
    }

    public string Path { get; }

    public int RowCount { get; }

    /// <summary>
    /// Gets the lengths of the dimensions after the first one: height and width for images; for labels, there are none.
    /// </summary>
    public IReadOnlyList<int> RowShape { get; }

    /// <summary>Gets the number of bytes in a row.</summary>
    public int RowLength { get; }

    private int HeaderLength => 4 * (2 + RowShape.Count);

    /// <summary>
    /// Reads the header. For a raw file it also checks that the file is long enough for its rows; the length of a gzip
    /// file does not show that.
    /// </summary>
    /// <exception cref="FormatException">
    /// The file is not an IDX file of bytes in <paramref name="dimensions"/> dimensions, or is too short.
    /// </exception>
    public static IdxFile Open(string path, int dimensions)
    {
        using var stream = OpenStream(path, out var isGzip);
        var header = new byte[4 * (1 + dimensions)];
        var found = Read(stream, header, path, "in its header");
        if (found < header.Length)
            throw new FormatException($"'{path}' ends in its header: expected {header.Length} bytes, found {found}.");

        var magic = BinaryPrimitives.ReadUInt32BigEndian(header);
        if (magic != ByteMagic + dimensions)
        {
            throw new FormatException(
                $"'{path}' is not an IDX file of bytes in {dimensions} dimension(s): " +
                $"expected the magic number {ByteMagic + dimensions}, found {magic}.");
        }

        var lengths = Enumerable.Range(1, dimensions)
            .Select(i => BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4 * i))).ToArray();
        var sides = lengths[1..];
        if (lengths[0] > int.MaxValue)
            throw new FormatException($"'{path}' claims {lengths[0]} rows: expected at most {int.MaxValue}.");

        if (sides.Any(side => side is 0 or > MaxSide))
        {
            throw new FormatException(
                $"'{path}' claims images of {string.Join(" x ", sides)} pixels: expected sides of 1 to {MaxSide}.");
        }

        var file = new IdxFile(path, (int)lengths[0], [.. sides.Select(side => (int)side)]);
        if (!isGzip)
            file.CheckLength(new FileInfo(path).Length);
        return file;
    }

    /// <summary>Opens the file and moves to its first row.</summary>
    public Stream OpenRows()
    {
        var stream = OpenStream(Path, out _);
        try
        {
            _ = Read(stream, new byte[HeaderLength], Path, "in its header");
            return stream;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Reads the next row of a stream that <see cref="OpenRows"/> opened.</summary>
    /// <exception cref="FormatException">The file ends before the row does, or is damaged.</exception>
    public void ReadRow(Stream rows, int row, Span<byte> destination)
    {
        var found = Read(rows, destination, Path, $"at row {row} of {RowCount}");
        if (found < RowLength)
        {
            throw new FormatException(
                $"'{Path}' ends at row {row} of {RowCount}: expected {RowLength} bytes, found {found}.");
        }
    }

    /// <summary>
    /// Reads every row. It allocates blocks of rows as it reads them, so a header that claims too many rows costs hardly
    /// more memory than the file's real contents.
    /// </summary>
    /// <returns>The rows, each a part of a block.</returns>
    public Func<int, ReadOnlyMemory<byte>> ReadAllRows()
    {
        using var stream = OpenRows();
        var blocks = new List<byte[]>();
        var blockRows = Math.Max(1, BlockLength / RowLength);
        for (var row = 0; row < RowCount; row++)
        {
            if (row % blockRows == 0) blocks.Add(new byte[Math.Min(blockRows, RowCount - row) * RowLength]);
            ReadRow(stream, row, blocks[^1].AsSpan(row % blockRows * RowLength, RowLength));
        }

        return row => blocks[row / blockRows].AsMemory(row % blockRows * RowLength, RowLength);
    }

    // The first two bytes decide whether the file is compressed; its name does not, since downloads are often unpacked
    // or renamed.
    private static Stream OpenStream(string path, out bool isGzip)
    {
        var stream = File.OpenRead(path);
        isGzip = stream.ReadByte() == 0x1f && stream.ReadByte() == 0x8b;
        stream.Position = 0;
        return isGzip ? new GZipStream(stream, CompressionMode.Decompress) : stream;
    }

    private static int Read(Stream stream, Span<byte> destination, string path, string where)
    {
        try
        {
            return stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException e)
        {
            throw new FormatException(
                $"'{path}' is damaged {where}: expected {destination.Length} more bytes, " +
                $"found gzip data that is cut short or corrupt ({e.Message})", e);
        }
    }

    private void CheckLength(long found)
    {
        var expected = HeaderLength + (long)RowCount * RowLength;
        if (found < expected)
        {
            throw new FormatException(
                $"'{Path}' ends at row {(found - HeaderLength) / RowLength} of {RowCount}: " +
                $"expected {expected} bytes in all, found {found}.");
        }
    }
}
