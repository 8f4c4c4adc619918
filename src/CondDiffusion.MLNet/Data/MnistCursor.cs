using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Data;

/// <summary>
/// Reads the rows of a <see cref="MnistDataView"/>: in the order of the files, or in a random order if it is given a
/// <see cref="Random"/>.
/// </summary>
internal sealed class MnistCursor : RowCursor
{
    private const int ImageColumn = 0;
    private const int LabelColumn = 1;

    private readonly MnistDataView _view;
    private readonly IdxRows? _images;
    private readonly IdxRows? _labels;
    private readonly int[]? _order;

    public MnistCursor(MnistDataView view, HashSet<int> columns, Random? random)
    {
        _view = view;
        try
        {
            // The file of a column that was not requested stays closed.
            if (columns.Contains(ImageColumn)) _images = new IdxRows(view.Images, inMemory: random is not null);
            if (columns.Contains(LabelColumn)) _labels = new IdxRows(view.Labels, inMemory: random is not null);
        }
        catch
        {
            Close();
            throw;
        }

        if (random is null) return;

        // The order takes memory for every row that the header claims, so all of them must have been read before.
        if (_images is null && _labels is null) _ = view.Labels.ReadAllRows();
        _order = [.. Enumerable.Range(0, view.Images.RowCount)];
        random.Shuffle(_order);
    }

    public override DataViewSchema Schema => _view.Schema;

    public override long Batch => 0;

    public override bool IsColumnActive(DataViewSchema.Column column) => column.Index switch
    {
        ImageColumn => _images is not null,
        LabelColumn => _labels is not null,
        _ => false,
    };

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref id) =>
    {
        CheckOnRow();
        id = new DataViewRowId((ulong)FileRow(Position), 0);
    };

    protected override bool TryMoveTo(long position)
    {
        if (position == _view.Images.RowCount) return false;

        var row = FileRow(position);
        _images?.MoveTo(row);
        _labels?.MoveTo(row);
        return true;
    }

    protected override ValueGetter<TValue> CreateGetter<TValue>(DataViewSchema.Column column) =>
        CreateGetter(column.Index) as ValueGetter<TValue> ?? throw RowErrors.WrongType(column, typeof(TValue));

    protected override void Dispose(bool disposing)
    {
        if (disposing) Close();
        base.Dispose(disposing);
    }

    private void Close()
    {
        _images?.Dispose();
        _labels?.Dispose();
    }

    private Delegate CreateGetter(int column) =>
        column == ImageColumn ? (ValueGetter<MLImage>)GetImage : (ValueGetter<uint>)GetLabel;

    /// <summary>Returns the index in the files of the row at a position. It is also the row's id.</summary>
    private int FileRow(long position) => _order?[position] ?? (int)position;

    // Each call returns a new image, which the reader owns. The image passed in is not disposed: its reader may still
    // hold it.
    private void GetImage(ref MLImage image)
    {
        CheckOnRow();
        var shape = _view.Images.RowShape;
        image = PixelConversion.ToImage(_images!.Current, shape[0], shape[1]);
    }

    private void GetLabel(ref uint label)
    {
        CheckOnRow();
        label = _labels!.Current[0];
    }
}
