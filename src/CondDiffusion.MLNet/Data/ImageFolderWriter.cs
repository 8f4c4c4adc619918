using CondDiffusion.MLNet.Files;
using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Data;

/// <summary>
/// Writes the rows of a view as an image folder: first <c>metadata.csv</c>, which says what belongs into it, then the
/// images that are missing.
/// </summary>
internal sealed class ImageFolderWriter
{
    private readonly IDataView _data;
    private readonly string _directory;
    private readonly string _metadata;
    private readonly ImageFolderSaveOptions _options;
    private readonly DataViewSchema.Column _image;
    private readonly List<string> _header = [ImageFolderMetadata.FileColumn];

    /// <summary>The columns of the view for those of the header, but for the first.</summary>
    private readonly List<LabelReader> _texts = [];

    /// <exception cref="ArgumentException">A column is missing or of the wrong type.</exception>
    public ImageFolderWriter(IDataView data, string path, ImageFolderSaveOptions options)
    {
        _data = data;
        _directory = Path.GetFullPath(path);
        _metadata = ImageFolderMetadata.PathIn(_directory);
        _options = options;
        _image = Find(options.ImageColumnName, nameof(options.ImageColumnName));
        if (_image.Type is not ImageDataViewType)
        {
            throw new ArgumentException(
                $"Column '{_image.Name}' must hold images, but is of type {_image.Type}.", nameof(options));
        }

        Add(ImageFolderMetadata.LabelColumn, options.LabelColumnName, nameof(options.LabelColumnName));
        AddIfThere(ImageFolderMetadata.SeedColumn, options.SeedColumnName, nameof(options.SeedColumnName), "Seed");
        AddIfThere(ImageFolderMetadata.ModelColumn, options.ModelColumnName, nameof(options.ModelColumnName), "Model");
    }

    /// <inheritdoc cref="ImageFolder.Save"/>
    public int Save()
    {
        Directory.CreateDirectory(_directory);
        if (!File.Exists(_metadata)) WriteMetadata();
        return WriteImages();
    }

    /// <summary>Returns the name of a label's directory, which differs between labels.</summary>
    private static string ToDirectoryName(string label)
    {
        return string.Concat(label.Select((character, i) => IsSafe(character, i) ? $"{character}" : Escape(character)));

        bool IsSafe(char character, int i) =>
            !char.IsControl(character) && !"<>:\"/\\|?*%".Contains(character, StringComparison.Ordinal) &&
            (character is not ('.' or ' ') || (i > 0 && i < label.Length - 1));

        static string Escape(char character) => $"%{(int)character:X2}";
    }

    private static void Write(string path, Action<string> write)
    {
        // A hidden file: whoever reads the folder meanwhile, or after a crash, passes it over.
        var temporary = Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetRandomFileName()}.tmp");
        AtomicFile.Write(temporary, () =>
        {
            write(temporary);
            return path;
        });
    }

    private void WriteMetadata()
    {
        if (!new DirectoryInfo(_directory).EnumerateFileSystemInfos().All(LabelDirectories.IsHidden))
        {
            throw new InvalidOperationException(
                $"'{_directory}' holds files but no {ImageFolderMetadata.FileName}: expected a new or empty folder, " +
                "or one that was begun with these rows.");
        }

        Write(_metadata, temporary =>
        {
            using var cursor = OpenCursor();
            using var writer = new StreamWriter(temporary) { NewLine = "\n" };
            writer.WriteLine(Csv.Format(_header));
            foreach (var record in ReadRecords(cursor)) writer.WriteLine(Csv.Format(record));
        });
    }

    private int WriteImages()
    {
        var images = Csv.Read(_metadata).Count() - 1;
        var saved = 0;
        var written = 0;

        using var lines = Csv.Read(_metadata).GetEnumerator();
        Expect(_header, "the header");
        using var cursor = OpenCursor(_image);
        var getImage = cursor.GetGetter<MLImage>(_image);
        MLImage? image = null;
        foreach (var record in ReadRecords(cursor))
        {
            Expect(record, $"row {cursor.Position}");
            var path = Path.Combine(_directory, record[0]);
            if (!File.Exists(path))
            {
                WriteImage(path);
                written++;
            }

            saved++;
            _options.Progress?.Report(new() { Saved = saved, Images = images, Written = written });
        }

        if (saved < images)
            throw new InvalidOperationException($"'{_metadata}' lists {images} images, but the data has {saved} rows.");
        return written;

        void Expect(IReadOnlyList<string> record, string what)
        {
            var found = lines.MoveNext() ? lines.Current.Fields : [];
            if (found.SequenceEqual(record)) return;

            throw new InvalidOperationException(
                $"'{_metadata}': expected '{Csv.Format(record)}' for {what}, found '{Csv.Format(found)}'. The folder " +
                "holds the images of other rows, or the data has changed: save to another folder.");
        }

        void WriteImage(string path)
        {
            // Getters that create images dispose the one that they are given. Others return an image of their owner.
            getImage(ref image!);
            if (image is null)
                throw new InvalidOperationException($"Row {cursor.Position}: column '{_image.Name}' has no image.");

            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            Write(path, temporary => File.WriteAllBytes(temporary, image.ToPng()));
        }
    }

    private DataViewRowCursor OpenCursor(params IEnumerable<DataViewSchema.Column> columns) =>
        _data.GetRowCursor([.. columns, .. _texts.Select(text => _data.Schema[text.Name])]);

    /// <summary>Reads what <c>metadata.csv</c> has of each row, at least one.</summary>
    private IEnumerable<string[]> ReadRecords(DataViewRowCursor cursor)
    {
        var getters = _texts.ConvertAll(text => text.CreateGetter(cursor));
        var isEmpty = true;
        while (cursor.MoveNext())
        {
            _options.CancellationToken.ThrowIfCancellationRequested();
            string[] values = [.. getters.Select(getter => getter())];
            var label = values[0];
            if (label.Length == 0)
            {
                throw new InvalidOperationException(
                    $"Row {cursor.Position}: column '{_options.LabelColumnName}' has no label.");
            }

            isEmpty = false;
            yield return [$"{ToDirectoryName(label)}/{cursor.Position:D6}.png", .. values];
        }

        if (isEmpty) throw new InvalidOperationException("The data has no rows to save.");
    }

    private void AddIfThere(string field, string? column, string option, string usual)
    {
        if (column is not null || _data.Schema.GetColumnOrNull(usual) is not null) Add(field, column ?? usual, option);
    }

    private void Add(string field, string column, string option)
    {
        _header.Add(field);
        _texts.Add(new(Find(column, option), "saved"));
    }

    private DataViewSchema.Column Find(string name, string option) => _data.Schema.GetColumnOrNull(name)
        ?? throw new ArgumentException($"The data has no column '{name}'.", option);
}
