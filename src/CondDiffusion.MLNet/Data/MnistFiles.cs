namespace CondDiffusion.MLNet.Data;

/// <summary>Finds the two files of an MNIST-format data set in a directory.</summary>
internal static class MnistFiles
{
    /// <summary>Finds the image file and the label file of a part of the data set.</summary>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="split"/> is not a member of its enumeration.
    /// </exception>
    /// <exception cref="DirectoryNotFoundException">The directory does not exist.</exception>
    /// <exception cref="FileNotFoundException">One of the files is missing; the message names it.</exception>
    public static (string Images, string Labels) Find(string directory, MnistSplit split)
    {
        var prefix = split switch
        {
            MnistSplit.Train => "train",
            MnistSplit.Test => "t10k",
            _ => throw new ArgumentOutOfRangeException(nameof(split), split, "Expected Train or Test."),
        };
        var images = $"{prefix}-images-idx3-ubyte";
        var labels = $"{prefix}-labels-idx1-ubyte";
        var expected = $"'{images}' and '{labels}' (each may end in '.gz')";

        directory = Path.GetFullPath(directory);
        if (!Directory.Exists(directory))
        {
            throw new DirectoryNotFoundException(
                $"The directory '{directory}' does not exist. Create it and put {expected} in it.");
        }

        var imageFile = FindFile(directory, images);
        var labelFile = FindFile(directory, labels);
        if (imageFile is not null && labelFile is not null) return (imageFile, labelFile);

        string?[] candidates = [imageFile is null ? images : null, labelFile is null ? labels : null];
        string[] missing = [.. candidates.OfType<string>()];
        throw new FileNotFoundException(
            $"Expected {expected} in '{directory}', but found no '{string.Join("' and no '", missing)}'. " +
            "Put the missing files into that directory.",
            Path.Combine(directory, missing[0]));
    }

    private static string? FindFile(string directory, string name)
    {
        // Some copies of the data set have a dot where the original has a hyphen.
        var dotted = name.Replace("-idx", ".idx", StringComparison.Ordinal);
        string[] candidates = [$"{name}.gz", name, $"{dotted}.gz", dotted];
        return candidates.Select(candidate => Path.Combine(directory, candidate)).FirstOrDefault(File.Exists);
    }
}
