using CondDiffusion.MLNet;
using Microsoft.ML;

namespace CondDiffusion.Examples;

/// <summary>The data sets that commands know by name, with the columns Label and Image.</summary>
internal static class DataSet
{
    private const int DrawnTraining = 10_000;
    private const int DrawnTest = 5_000;

    /// <summary>Loads a data set.</summary>
    /// <param name="ml">The context.</param>
    /// <param name="name">The name that the option gave.</param>
    /// <param name="directory">The directory of its files; null for data/ and its name.</param>
    /// <param name="split">Which of its images.</param>
    /// <param name="seed">Decides the digits that the program draws. Test digits are others.</param>
    /// <param name="option">The option that gave the name, for messages.</param>
    public static IDataView Load(
        MLContext ml,
        string name,
        string? directory,
        MnistSplit split = MnistSplit.Train,
        int seed = 1,
        string option = "--data") => name switch
        {
            "digits" when split == MnistSplit.Train => DrawnDigits.Load(ml, DrawnTraining, seed),
            "digits" => DrawnDigits.Load(ml, DrawnTest, seed + 1),
            "mnist" or "fashion-mnist" => ml.Data.LoadMnist(directory ?? Path.Combine("data", name), split),
            _ => throw new UsageException($"Option {option} must be mnist, fashion-mnist or digits, but is '{name}'."),
        };
}
