using CondDiffusion.MLNet.Data;
using Microsoft.ML;

namespace CondDiffusion.MLNet;

/// <summary>Loaders of image sets, as verbs of <see cref="MLContext.Data"/>.</summary>
public static class DataExtensions
{
    /// <summary>
    /// Loads MNIST, or any set in its file format, such as Fashion-MNIST: one image file and one label file in the IDX format,
    /// raw or gzip-compressed.
    /// </summary>
    /// <remarks>
    /// The view has the columns <c>Image</c> (<c>MLImage</c> of the size that the file states, 28 x 28 for MNIST; grey replicated to
    /// the three colors, alpha 255) and <c>Label</c> (<see cref="uint"/>, the file's byte as it stands: 0 to 9 for MNIST). Only headers
    /// are read here; rows are read as a cursor asks for them, except that a shuffled cursor first reads the columns it needs into
    /// memory. A row keeps its id, its index in the files, in whatever order it comes. A file that turns out damaged at some row
    /// ends the cursor there with a <see cref="FormatException"/>.
    /// </remarks>
    /// <param name="catalog">The catalog, <see cref="MLContext.Data"/>.</param>
    /// <param name="directory">
    /// The directory that holds <c>train-images-idx3-ubyte</c> and <c>train-labels-idx1-ubyte</c>, or <c>t10k-images-idx3-ubyte</c> and
    /// <c>t10k-labels-idx1-ubyte</c>; each with or without <c>.gz</c>, and with <c>.idx</c> in place of <c>-idx</c> if need be.
    /// </param>
    /// <param name="split">Which part of the set to load. Default: the training part.</param>
    /// <returns>The rows, in the order of the files.</returns>
    /// <exception cref="DirectoryNotFoundException">There is no such directory.</exception>
    /// <exception cref="FileNotFoundException">One of the two files is missing.</exception>
    /// <exception cref="FormatException">
    /// A file is not what it should be: another magic number, an impossible size, or fewer bytes than its header promises; or there are
    /// not as many labels as images.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="split"/> is not one of its values.</exception>
    public static IDataView LoadMnist(this DataOperationsCatalog catalog, string directory, MnistSplit split = MnistSplit.Train)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentException.ThrowIfNullOrWhiteSpace(directory);
        var prefix = split switch
        {
            MnistSplit.Train => "train",
            MnistSplit.Test => "t10k",
            _ => throw new ArgumentOutOfRangeException(nameof(split), split, "Expected Train or Test."),
        };

        var files = FindFiles(Path.GetFullPath(directory), [$"{prefix}-images-idx3-ubyte", $"{prefix}-labels-idx1-ubyte"]);
        return new MnistDataView(IdxFile.Open(files[0], dimensions: 3), IdxFile.Open(files[1], dimensions: 1));
    }

    private static string[] FindFiles(string directory, string[] names)
    {
        var wanted = $"'{names[0]}' and '{names[1]}' (each may end in '.gz')";
        if (!Directory.Exists(directory))
            throw new DirectoryNotFoundException($"There is no directory '{directory}'. Create it and put {wanted} in it.");

        var files = names.Select(name => FindFile(directory, name)).ToArray();
        var missing = names.Where((_, i) => files[i] is null).ToArray();
        if (missing.Length > 0)
        {
            throw new FileNotFoundException(
                $"Expected {wanted} in '{directory}', but found no '{string.Join("' and no '", missing)}'. Put them into that directory.",
                Path.Combine(directory, missing[0]));
        }

        return files!;
    }

    private static string? FindFile(string directory, string name)
    {
        var variant = name.Replace("-idx", ".idx", StringComparison.Ordinal);
        string[] candidates = [$"{name}.gz", name, $"{variant}.gz", variant];
        return candidates.Select(candidate => Path.Combine(directory, candidate)).FirstOrDefault(File.Exists);
    }
}
