using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Benchmarks.Mutations;

/// <summary>Reads damaged files in MNIST's format, in their order and shuffled.</summary>
internal static class IdxMutations
{
    /// <summary>A row, twice for the two cursors.</summary>
    private const long MostRowBytes = 2 * 4096 * 4096;

    /// <summary>No byte of a gzip file becomes more bytes than this.</summary>
    private const long MostUnpacked = 1032;

    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(2);

    /// <summary>Tries the pairs of files with the numbers from <paramref name="first"/>.</summary>
    public static MutationOutcomes Run(int first, int count)
    {
        var outcomes = new MutationOutcomes();
        var ml = new MLContext(seed: 1);
        var directory = Directory.CreateTempSubdirectory("conddiffusion-").FullName;
        try
        {
            for (var number = first; number < first + count; number++)
            {
                var (images, labels) = IdxMutator.Create(number);
                File.WriteAllBytes(Path.Combine(directory, "train-images-idx3-ubyte"), images);
                File.WriteAllBytes(Path.Combine(directory, "train-labels-idx1-ubyte"), labels);
                outcomes.Add(Try(ml, outcomes, number, directory, images.Length + labels.Length));
            }
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }

        return outcomes;
    }

    private static string Try(MLContext ml, MutationOutcomes outcomes, int number, string directory, long length)
    {
        string outcome;
        var clock = Stopwatch.StartNew();
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            var view = ml.Data.LoadMnist(directory);
            ReadRows(view, random: null);
            ReadRows(view, new Random(number));
            outcome = "is read to its end";
        }
        catch (FormatException exception)
        {
            outcome = exception.Message.Contains(" row ", StringComparison.Ordinal)
                ? "refused, FormatException at a row"
                : "refused, FormatException at the header";
        }
        catch (Exception exception)
        {
            outcomes.Violations.Add($"Pair {number}: {exception}");
            outcome = $"{exception.GetType().Name}";
        }

        // An image has four bytes for each of the file's.
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        var mostBytes = MostRowBytes + (1 << 20) + 16 * MostUnpacked * length;
        outcomes.AddCost(number, "reading", clock.Elapsed, MostTime, allocated, mostBytes);
        return outcome;
    }

    private static void ReadRows(IDataView view, Random? random)
    {
        using var cursor = view.GetRowCursor(view.Schema, random);
        var imageGetter = cursor.GetGetter<MLImage>(view.Schema["Image"]);
        var labelGetter = cursor.GetGetter<uint>(view.Schema["Label"]);
        var image = default(MLImage)!;
        var label = 0u;
        while (cursor.MoveNext())
        {
            imageGetter(ref image);
            labelGetter(ref label);
            image.Dispose();
        }
    }
}
