namespace CondDiffusion.MLNet.Data;

/// <summary>The file of an image folder that lists its images and their labels.</summary>
internal static class ImageFolderMetadata
{
    public const string FileName = "metadata.csv";

    // The names of its columns.
    public const string FileColumn = "file_name";
    public const string LabelColumn = "label";
    public const string SeedColumn = "seed";
    public const string ModelColumn = "model";
    public const string IsGeneratedColumn = "is_generated";

    /// <summary>The other names that Hugging Face's ImageFolder has for such a file.</summary>
    private static readonly string[] OtherFileNames = ["metadata.jsonl", "metadata.parquet"];

    public static string PathIn(string directory) => Path.Combine(directory, FileName);

    /// <summary>Checks that a directory has no such file in another form.</summary>
    /// <exception cref="FormatException">It has one; the message names it.</exception>
    public static void RefuseOtherForms(string directory)
    {
        foreach (var path in OtherFileNames.Select(name => Path.Combine(directory, name)).Where(File.Exists))
        {
            throw new FormatException(
                $"'{path}' has a form that is not read: expected a {FileName} with the columns {FileColumn} and " +
                $"{LabelColumn}, or a directory for each label.");
        }
    }

    /// <summary>Reads the images that the file of a directory lists, in its order.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="checkAlive">Called for each record; it throws to stop the reading.</param>
    /// <exception cref="FormatException">
    /// A column is missing; or a record has no label, no file in the directory, or that of another record. The message
    /// names the line.
    /// </exception>
    public static IReadOnlyList<LabelledFile> Read(string directory, Action checkAlive)
    {
        var path = PathIn(directory);
        var header = Csv.Read(path).FirstOrDefault().Fields ?? [];
        var fileIndex = Array.IndexOf(header, FileColumn);
        var labelIndex = Array.IndexOf(header, LabelColumn);
        var isGeneratedIndex = Array.IndexOf(header, IsGeneratedColumn);
        if (fileIndex < 0 || labelIndex < 0)
        {
            throw new FormatException(
                $"'{path}': expected the columns {FileColumn} and {LabelColumn}, found '{Csv.Format(header)}'.");
        }

        var files = new List<LabelledFile>();
        var lines = new Dictionary<string, int>(
            OperatingSystem.IsLinux() ? StringComparer.Ordinal : StringComparer.OrdinalIgnoreCase);
        foreach (var (line, fields) in Csv.Read(path).Skip(1))
        {
            checkAlive();
            if (fields.Length != header.Length)
                throw Bad(line, $"expected {header.Length} fields, found {fields.Length}");

            var file = new LabelledFile(fields[fileIndex], fields[labelIndex]);
            if (!IsWithin(file.Name))
                throw Bad(line, $"expected the path of a file in this directory, found '{file.Name}'");
            if (file.Label.Length == 0) throw Bad(line, $"expected a label of '{file.Name}', found none");
            var whole = Path.GetFullPath(Path.Combine(directory, file.Name)); // however it is spelled
            if (!lines.TryAdd(whole, line))
                throw Bad(line, $"expected each file once, found '{file.Name}' of line {lines[whole]} again");

            if (isGeneratedIndex >= 0) file = file with { IsGenerated = ReadFlag(line, fields[isGeneratedIndex]) };
            files.Add(file);
        }

        return files;

        bool ReadFlag(int line, string text) => bool.TryParse(text, out var flag)
            ? flag
            : throw Bad(line, $"expected True or False as {IsGeneratedColumn}, found '{text}'");

        FormatException Bad(int line, string what) => new($"'{path}' line {line}: {what}.");
    }

    private static bool IsWithin(string path) =>
        path.Length > 0 && !Path.IsPathRooted(path) && !path.Split('/', '\\').Contains("..");
}
