using System.IO.Compression;

namespace CondDiffusion.MLNet.Benchmarks.Mutations;

/// <summary>Makes damaged pairs of an image file and a label file in MNIST's format, raw and compressed.</summary>
internal static class IdxMutator
{
    private const int Rows = 20;
    private const int Side = 5;

    /// <summary>Returns a pair, of which one file or both are damaged, that follows from a number.</summary>
    public static (byte[] Images, byte[] Labels) Create(int number)
    {
        var random = new Random(number);
        var images = new byte[Rows * Side * Side];
        var labels = new byte[Rows];
        random.NextBytes(images);
        random.NextBytes(labels);

        byte[] imageFile = [0, 0, 8, 3, 0, 0, 0, Rows, 0, 0, 0, Side, 0, 0, 0, Side, .. images];
        byte[] labelFile = [0, 0, 8, 1, 0, 0, 0, Rows, .. labels];
        var which = random.Next(1, 8);
        return (
            Finish(random, imageFile, headerLength: 16, isDamaged: which != 1),
            Finish(random, labelFile, headerLength: 8, isDamaged: which <= 2));
    }

    private static byte[] Finish(Random random, byte[] file, int headerLength, bool isDamaged)
    {
        if (isDamaged && random.Next(3) > 0) file = Damage(random, file, headerLength);
        if (random.Next(2) == 0) return isDamaged ? Damage(random, file, headerLength) : file;

        var zipped = Zip(file);
        return isDamaged && random.Next(2) == 0 ? ByteMutator.Mutate(random, zipped) : zipped;
    }

    /// <summary>Damages the header in half of the cases, since it is a small part of the file.</summary>
    private static byte[] Damage(Random random, byte[] file, int headerLength)
    {
        var end = random.Next(2) == 0 ? Math.Min(headerLength, file.Length) : file.Length;
        return [.. ByteMutator.Mutate(random, file[..end]), .. file[end..]];
    }

    private static byte[] Zip(byte[] bytes)
    {
        using var zipped = new MemoryStream();
        using (var gzip = new GZipStream(zipped, CompressionLevel.Fastest)) gzip.Write(bytes);
        return zipped.ToArray();
    }
}
