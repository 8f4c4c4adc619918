using CondDiffusion.MLNet.Files;
using CondDiffusion.MLNet.Imaging;
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

        AddNamed(ImageFolderMetadata.LabelColumn, options.LabelColumnName, nameof(options.LabelColumnName));
        AddIfThere(ImageFolderMetadata.SeedColumn, options.SeedColumnName, nameof(options.SeedColumnName), "Seed");
        AddIfThere(ImageFolderMetadata.ModelColumn, options.ModelColumnName, nameof(options.ModelColumnName), "Model");
        if (data.Schema.GetColumnOrNull("IsGenerated") is { Type: BooleanDataViewType } isGenerated)
            Add(ImageFolderMetadata.IsGeneratedColumn, isGenerated);
    }

    /// <inheritdoc cref="ImageFolder.Save"/>
    public int Save()
    {
        Directory.CreateDirectory(_directory);
        if (!File.Exists(_metadata)) WriteMetadata();

        // All rows are compared before an image is written: a folder of other rows must not get any of these.
        int images;
        using (var cursor = OpenCursor()) images = ReadListed(cursor).Count();
        return WriteImages(images);
    }

    private void WriteMetadata()
    {
        if (!new DirectoryInfo(_directory).EnumerateFileSystemInfos().All(LabelDirectories.IsHidden))
        {
            throw new InvalidOperationException(
                $"'{_directory}' holds files but no {ImageFolderMetadata.FileName}: expected a new or empty folder, " +
                "or one that was begun with these rows.");
        }

        try
        {
            AtomicFile.Write(_metadata, replace: false, temporary =>
            {
                using var cursor = OpenCursor();
                using var writer = new StreamWriter(temporary) { NewLine = "\n" };
                writer.WriteLine(Csv.Format(_header));
                foreach (var record in ReadRecords(cursor)) writer.WriteLine(Csv.Format(record));
            });
        }
        catch (IOException exception) when (File.Exists(_metadata))
        {
            throw new InvalidOperationException(
                $"'{_metadata}' has appeared while the rows were read: expected that nobody else writes the folder.",
                exception);
        }
    }

    private int WriteImages(int images)
    {
        var saved = 0;
        var written = 0;
        using var cursor = OpenCursor(_image);
        var getter = new ImageGetter(cursor.GetGetter<MLImage>(_image));
        var ownsImages = _data is IImageMaker maker && maker.MakesImages(_image);
        foreach (var record in ReadListed(cursor))
        {
            var path = Path.Combine(_directory, record[0]);
            if (!File.Exists(path))
            {
                WriteImage(path);
                written++;
            }

            saved++;
            _options.Progress?.Report(new() { Saved = saved, Images = images, Written = written });
        }

        return written;

        void WriteImage(string path)
        {
            var image = getter.Read() ?? throw new InvalidOperationException(
                $"Row {cursor.Position}: column '{_image.Name}' has no image.");
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            AtomicFile.Write(path, replace: false, temporary => File.WriteAllBytes(temporary, image.ToPng()));

            if (ownsImages) getter.Free();
        }
    }

    /// <summary>Reads the records of all rows, each of which <c>metadata.csv</c> must have in its place.</summary>
    private IEnumerable<string[]> ReadListed(DataViewRowCursor cursor)
    {
        using var lines = Csv.Read(_metadata).GetEnumerator();
        Expect(_header, "the header");
        var rows = 0;
        foreach (var record in ReadRecords(cursor))
        {
            Expect(record, $"row {cursor.Position}");
            rows++;
            yield return record;
        }

        if (lines.MoveNext())
        {
            throw new InvalidOperationException(
                $"'{_metadata}' lists {Csv.Read(_metadata).Count() - 1} images, but the data has {rows} rows.");
        }

        void Expect(IReadOnlyList<string> record, string what)
        {
            var found = lines.MoveNext() ? lines.Current.Fields : [];
            if (found.SequenceEqual(record)) return;

            throw new InvalidOperationException(
                $"'{_metadata}': expected '{Csv.Format(record)}' for {what}, found '{Csv.Format(found)}'. The folder " +
                "holds the images of other rows, or the data has changed: save to another folder.");
        }
    }

    private DataViewRowCursor OpenCursor(params IEnumerable<DataViewSchema.Column> columns) =>
        _data.GetRowCursor([.. columns, .. _texts.Select(text => _data.Schema[text.Name])]);

    /// <summary>Reads what <c>metadata.csv</c> has of each row, at least one.</summary>
    private IEnumerable<string[]> ReadRecords(DataViewRowCursor cursor)
    {
        var directories = new DirectoryNames();
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
            yield return [$"{directories.Of(label)}/{cursor.Position:D6}.png", .. values];
        }

        if (isEmpty) throw new InvalidOperationException("The data has no rows to save.");
    }

    /// <summary>Adds a column that an option names or, without a name, the usual one if it can be read.</summary>
    private void AddIfThere(string field, string? name, string option, string usual)
    {
        if (name is not null) AddNamed(field, name, option);
        else if (_data.Schema.GetColumnOrNull(usual) is { } column && LabelReader.CanRead(column.Type))
            Add(field, column);
    }

    private void AddNamed(string field, string name, string option)
    {
        var column = Find(name, option);
        if (!LabelReader.CanRead(column.Type))
        {
            throw new ArgumentException(
                $"Column '{name}' must hold keys, texts, numbers or booleans, but is of type {column.Type}.", option);
        }

        Add(field, column);
    }

    private void Add(string field, DataViewSchema.Column column)
    {
        _header.Add(field);
        _texts.Add(new(column, "saved"));
    }

    private DataViewSchema.Column Find(string name, string option) => _data.Schema.GetColumnOrNull(name)
        ?? throw new ArgumentException($"The data has no column '{name}'.", option);
}
