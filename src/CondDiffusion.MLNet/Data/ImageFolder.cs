using CondDiffusion.MLNet.Data;
using Microsoft.ML;

namespace CondDiffusion.MLNet;

/// <summary>
/// Saves labelled images as a folder that <see cref="DataExtensions.LoadImageFolder"/> loads, and other tools that know
/// Hugging Face's ImageFolder or a directory for each label.
/// </summary>
public static class ImageFolder
{
    /// <summary>Saves the images of a view, generated ones or others. It never overwrites a file.</summary>
    /// <remarks>
    /// <para>The folder has a directory for each label, with the label as its name. Characters that a name of a file
    /// cannot have on every system become <c>%</c> and their code, as does a letter of a label that differs from an
    /// earlier one in case alone; a name of more than 100 bytes is shortened and ends in a hash. In the directory, the
    /// image of row 12, counted from 0, is <c>000012.png</c>: exact, but without transparency. The file
    /// <c>metadata.csv</c> lists <c>file_name</c> and <c>label</c>, the true one, of every row. It has <c>seed</c> and
    /// <c>model</c> where the data has them, and <c>is_generated</c> where the data has the boolean column IsGenerated,
    /// as augmented data has.</para>
    /// <para><c>metadata.csv</c> is written first; that reads no image, so a lazy view generates none. Then the images
    /// are read and written one by one, so any number of rows takes the memory of one. Each file appears under its name
    /// only when it is complete.</para>
    /// <para>A call that was stopped is continued by the same call: it leaves the images that are there and does not
    /// read them from the view. The view must have the same values in the same rows as <c>metadata.csv</c>, which is
    /// checked before an image is read; other ones need a folder of their own.</para>
    /// <para>Only <c>metadata.csv</c> tells images of one model from those of another. If the labels and seeds are the
    /// same and the model or its sampling options are not, the call completes the folder with images of the other
    /// model. Give the data a column <c>Model</c> that says what generates the images, and such a folder is
    /// refused.</para>
    /// <para>Images that belong to nobody else are disposed once they are written: those of this library's loaders, of
    /// its generating models and of its augmentation of either. Images of other views are left to their owner or to
    /// the garbage collector.</para>
    /// </remarks>
    /// <param name="data">The rows. Reading them again must give the same rows in the same order.</param>
    /// <param name="path">
    /// The folder: new, empty, or with the <c>metadata.csv</c> of the same rows. Hidden files do not count.
    /// </param>
    /// <param name="options">The columns, progress and cancellation; null for the defaults.</param>
    /// <returns>The number of images that this call has written; the others were there before.</returns>
    /// <exception cref="ArgumentException">
    /// <paramref name="path"/> is empty, or a named column is missing or of the wrong type; the message names it.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The data has no rows; a row has no label or no image; the folder's <c>metadata.csv</c> lists other rows; the
    /// folder holds files but no <c>metadata.csv</c>; or somebody else has begun to write it. The message names the row
    /// or the file.
    /// </exception>
    /// <exception cref="FormatException">The folder's <c>metadata.csv</c> is not valid; the message says why.
    /// </exception>
    /// <exception cref="IOException">A file or directory cannot be written; the message names it.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write it.</exception>
    /// <exception cref="OperationCanceledException">The options' token was cancelled.</exception>
    public static int Save(IDataView data, string path, ImageFolderSaveOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return new ImageFolderWriter(data, path, options ?? new()).Save();
    }
}
