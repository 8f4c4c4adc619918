using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Augmentation;

/// <summary>Reads the rows of an <see cref="AugmentedView"/>.</summary>
/// <param name="augmenter">What decides the generated rows.</param>
/// <param name="real">The real rows. The cursor disposes it.</param>
/// <param name="active">The indices of the active columns.</param>
internal sealed class AugmentedCursor(Augmenter augmenter, DataViewRowCursor real, HashSet<int> active) : RowCursor
{
    private readonly AcceptedRows _rows = new(augmenter);
    private int? _generated; // the number of the current row among the generated ones; null for a real row

    public override DataViewSchema Schema => augmenter.Columns.Schema;

    public override long Batch => 0;

    public override bool IsColumnActive(DataViewSchema.Column column) => active.Contains(column.Index);

    public override ValueGetter<DataViewRowId> GetIdGetter()
    {
        var getRealId = real.GetIdGetter();
        return (ref id) =>
        {
            CheckOnRow();
            if (_generated is { } row) id = new((ulong)row, augmenter.IdOfGeneratedRows);
            else getRealId(ref id);
        };
    }

    protected override bool TryMoveTo(long position)
    {
        _generated = augmenter.Plan.GeneratedRowAt(position);
        if (_generated is not null) return true;
        var hasReal = real.MoveNext();
        var isExpected = position < augmenter.Plan.Rows;
        return hasReal == isExpected ? hasReal : throw new InvalidOperationException(
            $"The data had {augmenter.Plan.RealRows} rows when they were counted, and now has " +
            $"{(hasReal ? "more" : "fewer")}. The rows must be the same at every reading.");
    }

    protected override ValueGetter<TValue> CreateGetter<TValue>(DataViewSchema.Column column)
    {
        var getGenerated = augmenter.Columns.CreateGetter<TValue>(
            column, () => augmenter.Plan.LabelOf(_generated!.Value), () => _rows.Read(_generated!.Value).Pixels);
        var getReal = augmenter.Columns.FindReal(column) is { } found
            ? real.GetGetter<TValue>(real.Schema[found.Index])
            : (ref value) => value = default!;
        return (ref value) =>
        {
            CheckOnRow();
            if (_generated is null) getReal(ref value);
            else getGenerated(ref value);
        };
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) real.Dispose();
        base.Dispose(disposing);
    }
}
