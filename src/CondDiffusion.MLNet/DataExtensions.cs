using CondDiffusion.MLNet.Data;
using Microsoft.ML;

namespace CondDiffusion.MLNet;

/// <summary>Adds loaders of image data sets to <see cref="MLContext.Data"/>.</summary>
public static class DataExtensions
{
    /// <summary>
    /// Loads MNIST, or another data set in its file format, such as Fashion-MNIST: an image file and a label file in
    /// the IDX format, raw or compressed with gzip.
    /// </summary>
    /// <remarks>
    /// <para>The view has two columns. <c>Image</c> holds an <c>MLImage</c> of the size that the file states, 28 x 28
    /// for MNIST; the grey level is repeated in red, green and blue, and alpha is 255. <c>Label</c> holds a
    /// <see cref="uint"/>, the byte in the file: 0 to 9 for MNIST.</para>
    /// <para>This method reads only the files' headers. A cursor reads each row from the files when it moves there; a
    /// shuffled cursor first reads the columns that it needs into memory. A row's id is its index in the files,
    /// whatever the order of the rows. If a file turns out to be damaged at some row, the cursor ends there with a
    /// <see cref="FormatException"/>.</para>
    /// </remarks>
    /// <param name="catalog">The catalog, <see cref="MLContext.Data"/>.</param>
    /// <param name="directory">
    /// Directory that holds <c>train-images-idx3-ubyte</c> and <c>train-labels-idx1-ubyte</c>, or
    /// <c>t10k-images-idx3-ubyte</c> and <c>t10k-labels-idx1-ubyte</c>. Each name may end in <c>.gz</c>, and may have
    /// <c>.idx</c> in place of <c>-idx</c>.
    /// </param>
    /// <param name="split">Part of the data set to load: the training part (the default) or the test part.</param>
    /// <returns>A view of the rows, in the order of the files.</returns>
    /// <exception cref="ArgumentException"><paramref name="directory"/> is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="split"/> is not a member of its enumeration.
    /// </exception>
    /// <exception cref="DirectoryNotFoundException">The directory does not exist.</exception>
    /// <exception cref="FileNotFoundException">One of the two files is missing.</exception>
    /// <exception cref="FormatException">
    /// A file is not in the format (it has another magic number, images with a side outside 1 to 4,096, or fewer bytes
    /// than its header promises), or the numbers of labels and images differ.
    /// </exception>
    public static IDataView LoadMnist(
        this DataOperationsCatalog catalog, string directory, MnistSplit split = MnistSplit.Train)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentException.ThrowIfNullOrWhiteSpace(directory);

        var (images, labels) = MnistFiles.Find(directory, split);
        return new RowSourceView(
            new MnistRows(IdxFile.Open(images, dimensions: 3), IdxFile.Open(labels, dimensions: 1)));
    }
}
