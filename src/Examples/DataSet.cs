using CondDiffusion.MLNet;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.Examples;

/// <summary>
/// The data sets that commands know by name, and folders of images, with the columns Label and Image.
/// </summary>
internal static class DataSet
{
    private const int DrawnTraining = 10_000;
    private const int DrawnTest = 5_000;

    /// <summary>Loads a data set.</summary>
    /// <param name="ml">The context.</param>
    /// <param name="name">The name that the option gave, or the path of a folder of images.</param>
    /// <param name="directory">The directory of the files of a named data set; null for data/ and its name.</param>
    /// <param name="split">Which of its images.</param>
    /// <param name="seed">Decides the digits that the program draws. Test digits are others.</param>
    /// <param name="option">The option that gave the name, for messages.</param>
    /// <param name="skipsBroken">Whether broken images of a folder are left out.</param>
    public static IDataView Load(
        MLContext ml,
        string name,
        string? directory,
        MnistSplit split = MnistSplit.Train,
        int seed = 1,
        string option = "--data",
        bool skipsBroken = false) => name switch
        {
            "digits" when split == MnistSplit.Train => DrawnDigits.Load(ml, DrawnTraining, seed),
            "digits" => DrawnDigits.Load(ml, DrawnTest, seed + 1),
            "mnist" or "fashion-mnist" => ml.Data.LoadMnist(directory ?? Path.Combine("data", name), split),
            _ => LoadFolder(ml, name, directory, split, option, skipsBroken),
        };

    /// <summary>
    /// Loads the images that the options --data, --data-dir and --skip-broken name, without those that augment has
    /// generated.
    /// </summary>
    /// <exception cref="UsageException">All of them were generated.</exception>
    public static IDataView LoadReal(MLContext ml, Arguments arguments, int seed)
    {
        var name = arguments.Text("--data");
        var skipsBroken = arguments.Has("--skip-broken");
        var images = Load(ml, name, arguments.Find("--data-dir"), seed: seed, skipsBroken: skipsBroken);
        var real = LeaveOut(ml, images, isGenerated: true);
        return real == images || images.GetColumn<bool>(nameof(AugmentationMark.IsGenerated)).Contains(false)
            ? real
            : throw new UsageException(
                $"All images of '{name}' are marked as generated in its metadata.csv: expected real ones.");
    }

    /// <summary>Leaves out the generated images of a view, or the real ones, by its column IsGenerated.</summary>
    /// <param name="ml">The context.</param>
    /// <param name="images">The images. Without the column, all are real.</param>
    /// <param name="isGenerated">Which images are left out.</param>
    public static IDataView LeaveOut(MLContext ml, IDataView images, bool isGenerated) =>
        images.Schema.GetColumnOrNull(nameof(AugmentationMark.IsGenerated)) is null
            ? images
            : ml.Data.FilterByCustomPredicate<AugmentationMark>(images, row => row.IsGenerated == isGenerated);

    private static IDataView LoadFolder(
        MLContext ml, string folder, string? directory, MnistSplit split, string option, bool skipsBroken)
    {
        if (!Directory.Exists(folder))
        {
            throw new UsageException(
                $"Option {option} must be mnist, fashion-mnist, digits or a folder of images, but is '{folder}'.");
        }

        if (directory is not null)
            throw new UsageException($"Option {option}-dir is for named data sets, but {option} is a folder.");
        return ml.Data.LoadImageFolder(folder, new()
        {
            Split = split == MnistSplit.Test ? "test" : null,
            SkipBrokenImages = skipsBroken,
        });
    }
}
