using CondDiffusion.MLNet.Imaging;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Data;

/// <summary>The images of a folder, with the columns Image, Label and FileName, and IsGenerated if known.</summary>
internal sealed class ImageFolderRows : IRowSource
{
    private const int ImageColumn = 0;
    private const int LabelColumn = 1;
    private const int FileNameColumn = 2;

    private readonly string _directory;
    private readonly IReadOnlyList<LabelledFile> _files;

    public ImageFolderRows(string directory, IReadOnlyList<LabelledFile> files)
    {
        _directory = directory;
        _files = files;

        var schema = new DataViewSchema.Builder();
        schema.AddColumn("Image", new ImageDataViewType());
        schema.AddColumn("Label", TextDataViewType.Instance);
        schema.AddColumn("FileName", TextDataViewType.Instance);
        if (files.Any(file => file.IsGenerated is not null))
            schema.AddColumn("IsGenerated", BooleanDataViewType.Instance);
        Schema = schema.ToSchema();
    }

    public DataViewSchema Schema { get; }

    public int RowCount => _files.Count;

    public ICurrentRow Open(IReadOnlySet<int> columns, bool inAnyOrder) => new CurrentRow(_directory, _files);

    private sealed class CurrentRow(string directory, IReadOnlyList<LabelledFile> files) : ICurrentRow
    {
        private LabelledFile _file;

        public void MoveTo(int row) => _file = files[row];

        public Delegate CreateGetter(int column) => column switch
        {
            ImageColumn => (ValueGetter<MLImage>)GetImage,
            LabelColumn => (ValueGetter<ReadOnlyMemory<char>>)((ref label) => label = _file.Label.AsMemory()),
            FileNameColumn => (ValueGetter<ReadOnlyMemory<char>>)((ref name) => name = _file.Name.AsMemory()),
            _ => (ValueGetter<bool>)((ref isGenerated) => isGenerated = _file.IsGenerated!.Value),
        };

        public void Dispose()
        {
        }

        // As in MnistRows, each call returns a new image, and the one passed in is not disposed.
        private void GetImage(ref MLImage image) => image = ImageFile.Read(Path.Combine(directory, _file.Name));
    }
}
