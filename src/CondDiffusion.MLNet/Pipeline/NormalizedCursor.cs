using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>The cursor of <see cref="NormalizedDataView"/>.</summary>
internal sealed class NormalizedCursor : RowCursor
{
    private readonly HashSet<int> _active;
    private readonly DataViewRowCursor _source;
    private readonly DataViewSchema.Column _imageColumn;
    private readonly ImageShape _shape;

    // ML.NET's getters dispose the image that they replace. The last one is ours to dispose.
    private MLImage? _image;

    /// <param name="schema">The columns of the view: those of the source, then the vectors.</param>
    /// <param name="active">The columns that have getters.</param>
    /// <param name="source">Cursor over the source. It is disposed with this cursor.</param>
    /// <param name="image">The source's column of images.</param>
    /// <param name="shape">Shape of the images and of the vectors.</param>
    public NormalizedCursor(
        DataViewSchema schema,
        IEnumerable<DataViewSchema.Column> active,
        DataViewRowCursor source,
        DataViewSchema.Column image,
        ImageShape shape)
    {
        Schema = schema;
        _active = [.. active.Select(column => column.Index)];
        _source = source;
        _imageColumn = image;
        _shape = shape;
    }

    public override DataViewSchema Schema { get; }

    public override long Batch => _source.Batch;

    public override ValueGetter<DataViewRowId> GetIdGetter() => _source.GetIdGetter();

    public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

    protected override bool TryMoveTo(long position) => _source.MoveNext();

    protected override ValueGetter<TValue> CreateGetter<TValue>(DataViewSchema.Column column)
    {
        if (column.Index < _source.Schema.Count) return _source.GetGetter<TValue>(_source.Schema[column.Index]);

        return (Delegate)CreateVectorGetter() as ValueGetter<TValue>
            ?? throw RowErrors.WrongType(column, typeof(TValue));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _image?.Dispose();
            _source.Dispose();
        }

        base.Dispose(disposing);
    }

    private ValueGetter<VBuffer<float>> CreateVectorGetter()
    {
        var getImage = _source.GetGetter<MLImage?>(_imageColumn);
        return (ref vector) =>
        {
            CheckOnRow();

            // For a missing image, ML.NET disposes the one that it is given and leaves it there.
            _image?.Dispose();
            _image = null;
            getImage(ref _image);
            if (_image is null)
            {
                // A vector without values stands for a missing image, as in ML.NET's ExtractPixels.
                vector = VBufferEditor.Create(ref vector, _shape.Pixels, 0).Commit();
                return;
            }

            var editor = VBufferEditor.Create(ref vector, _shape.Pixels);
            PixelConversion.FromImage(_image, _shape.Channels, editor.Values);
            vector = editor.Commit();
        };
    }
}
