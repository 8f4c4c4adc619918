using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>
/// A file of generated images, to which each is added as it is generated: a byte with its label, then its levels.
/// </summary>
internal static class GeneratedImageFile
{
    private const int Length = 1 + StudyImages.Side * StudyImages.Side;

    /// <summary>Reads the images of a file, which need not exist. A last image that was cut off is left out.</summary>
    public static IReadOnlyList<GreyImage> Read(string file) => File.Exists(file)
        ?
        [
            .. File.ReadAllBytes(file).Chunk(Length).Where(image => image.Length == Length)
                .Select(image => new GreyImage(image[0], image[1..])),
        ]
        : [];

    /// <summary>Adds the generated images of an augmented view that the file does not have yet.</summary>
    /// <param name="file">The file, which need not exist.</param>
    /// <param name="augmented">
    /// Rows of <see cref="StudyImages.ToView"/>, and generated ones. Those that the file has are not generated again.
    /// </param>
    public static void Complete(string file, IDataView augmented)
    {
        using var stream = new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite);
        var done = stream.Length / Length;
        stream.SetLength(done * Length);
        stream.Position = stream.Length;

        var schema = augmented.Schema;
        using var cursor = augmented.GetRowCursor([schema["Label"], schema["Pixels"], schema["IsGenerated"]]);
        var getKey = cursor.GetGetter<uint>(schema["Label"]);
        var getPixels = cursor.GetGetter<VBuffer<float>>(schema["Pixels"]);
        var getIsGenerated = cursor.GetGetter<bool>(schema["IsGenerated"]);
        var key = 0u;
        VBuffer<float> pixels = default;
        var isGenerated = false;
        for (var image = 0L; cursor.MoveNext();)
        {
            getIsGenerated(ref isGenerated);
            if (!isGenerated || image++ < done) continue;

            getKey(ref key);
            getPixels(ref pixels);
            stream.Write([(byte)(key - 1), .. pixels.DenseValues().Select(StudyImages.ToLevel)]);
        }
    }
}
