using CondDiffusion.MLNet.Data;
using CondDiffusion.MLNet.Interop;
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

    /// <summary>
    /// Loads a folder of labelled images, in the layout of Hugging Face's ImageFolder: a directory for each label, or a
    /// <c>metadata.csv</c> that lists files and labels.
    /// </summary>
    /// <remarks>
    /// <para>The view has three columns. <c>Image</c> holds an <c>MLImage</c> of the size and the colors of the file;
    /// as with ML.NET's LoadImages, colors are multiplied by their opacity, and the orientation in a photo's EXIF data
    /// is ignored. <c>Label</c> holds a text. <c>FileName</c> holds the path of the file within the directory, as a
    /// text: with slashes, or as <c>metadata.csv</c> has it. If <c>metadata.csv</c> has the column <c>is_generated</c>,
    /// the view also has the boolean column <c>IsGenerated</c>.</para>
    /// <para>A folder may have splits, such as the directories <c>train</c> and <c>test</c>: see
    /// <see cref="ImageFolderOptions.Split"/>. If the directory that is loaded holds <c>metadata.csv</c>, its columns
    /// <c>file_name</c> and <c>label</c> say which images there are, in which order; other columns than these
    /// and <c>is_generated</c> are ignored. Without it, a <c>metadata.jsonl</c> or <c>metadata.parquet</c> is refused,
    /// and the images are the files whose extension is .png, .jpg, .jpeg, .webp, .bmp or .gif, in the order of
    /// their names, and the label of each is the name of the directory that it is in. Hidden files and directories are
    /// passed over with the files of other kinds, and a warning counts them.</para>
    /// <para>This method lists the files. A cursor decodes an image when it is read; of an animation that is the first
    /// frame. A row's id is its index in the list, whatever the order of the rows.</para>
    /// </remarks>
    /// <param name="catalog">The catalog, <see cref="MLContext.Data"/>.</param>
    /// <param name="path">The folder.</param>
    /// <param name="options">The split, and what to do with broken images; null for the defaults.</param>
    /// <returns>A view of the rows, in a fixed order. Its number of rows is known, and it can be shuffled.</returns>
    /// <exception cref="ArgumentException">
    /// <paramref name="path"/> is empty, or <see cref="ImageFolderOptions.Split"/> is not the name of a directory.
    /// </exception>
    /// <exception cref="DirectoryNotFoundException">The folder or its split does not exist.</exception>
    /// <exception cref="FileNotFoundException">
    /// A file that <c>metadata.csv</c> lists is missing; the message names it.
    /// </exception>
    /// <exception cref="FormatException">
    /// There are no images; an image has no label; or <c>metadata.csv</c> lacks a column, lists a file twice, or
    /// is in another form. The message names the directory, file or line. A broken image is such an exception when a
    /// cursor reads it.
    /// </exception>
    /// <exception cref="OperationCanceledException">The options' token, or the context, was cancelled.</exception>
    public static IDataView LoadImageFolder(
        this DataOperationsCatalog catalog, string path, ImageFolderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentException.ThrowIfNullOrWhiteSpace(path);

        return new RowSourceView(
            ImageFolderLoader.Load(MLNetInternals.Environment(catalog), path, options ?? new()));
    }
}
