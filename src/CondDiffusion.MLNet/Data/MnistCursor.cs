using CondDiffusion.MLNet.Imaging;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Data;

/// <summary>Walks the rows of a <see cref="MnistDataView"/>: as they stand in the files, or with a Random in an order of its choice.</summary>
internal sealed class MnistCursor : DataViewRowCursor
{
    private const int ImageColumn = 0;
    private const int LabelColumn = 1;

    private readonly MnistDataView _view;
    private readonly IdxRows? _images;
    private readonly IdxRows? _labels;
    private readonly int[]? _order;
    private int _position = -1;
    private bool _ended;

    public MnistCursor(MnistDataView view, HashSet<int> columns, Random? random)
    {
        _view = view;
        if (random is not null)
        {
            _order = [.. Enumerable.Range(0, view.Images.RowCount)];
            random.Shuffle(_order);
        }

        // The files of columns that nobody asked for stay closed.
        if (columns.Contains(ImageColumn))
            _images = new IdxRows(view.Images, inMemory: random is not null);
        if (columns.Contains(LabelColumn))
            _labels = new IdxRows(view.Labels, inMemory: random is not null);
    }

    public override DataViewSchema Schema => _view.Schema;

    public override long Position => _position;

    public override long Batch => 0;

    /// <summary>Gets the row's index in the files, which is also its id.</summary>
    private int Row => _order?[_position] ?? _position;

    public override bool MoveNext()
    {
        _ended |= _position + 1 == _view.Images.RowCount;
        if (_ended)
        {
            _position = -1;
            return false;
        }

        _position++;
        _images?.MoveTo(Row);
        _labels?.MoveTo(Row);
        return true;
    }

    public override bool IsColumnActive(DataViewSchema.Column column) => column.Index switch
    {
        ImageColumn => _images is not null,
        LabelColumn => _labels is not null,
        _ => false,
    };

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref id) =>
    {
        CheckOnRow();
        id = new DataViewRowId((ulong)Row, 0);
    };

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        if (!IsColumnActive(column))
            throw new InvalidOperationException($"Column '{column.Name}' is not active: name it among the columns needed when opening the cursor.");

        return Getter(column.Index) as ValueGetter<TValue> ?? throw new InvalidOperationException(
            $"Column '{column.Name}' holds values of type {column.Type.RawType}, but a getter of {typeof(TValue)} was asked for.");
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _ended = true;
            _position = -1;
            _images?.Dispose();
            _labels?.Dispose();
        }

        base.Dispose(disposing);
    }

    private Delegate Getter(int column)
    {
        if (column == LabelColumn)
            return (ValueGetter<uint>)((ref label) => label = Current(_labels!)[0]);

        // Each call gives a new image, for its reader to dispose; the one in the argument is left alone, since its reader may still hold it.
        var shape = _view.Images.RowShape;
        return (ValueGetter<MLImage>)((ref image) => image = PixelConversion.ToImage(Current(_images!), shape[0], shape[1]));
    }

    private byte[] Current(IdxRows rows)
    {
        CheckOnRow();
        return rows.Current;
    }

    private void CheckOnRow()
    {
        if (_position < 0)
            throw new InvalidOperationException("The cursor is not on a row: call MoveNext first, and read only while it returns true.");
    }
}
