using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Shows a row of the input with the computed columns added: the input's columns pass through, and the added columns
/// read the row's values.
/// </summary>
internal sealed class AddedColumnsRow<TInput> : DataViewRow
{
    private readonly RowBindings<TInput> _bindings;
    private readonly DataViewRow _input;
    private readonly HashSet<int> _active;
    private readonly IRowReader<TInput>? _reader;
    private readonly Func<AddedColumnsRow<TInput>, ReadOnlyMemory<float>> _compute;

    /// <param name="bindings">The columns of the input and of the output.</param>
    /// <param name="input">
    /// The row of the input, with the columns that the active ones depend on. It is disposed with this row.
    /// </param>
    /// <param name="active">The output columns that have getters.</param>
    /// <param name="compute">
    /// Returns the values of the current row; called whenever a value of an added column is read.
    /// </param>
    public AddedColumnsRow(
        RowBindings<TInput> bindings,
        DataViewRow input,
        IReadOnlyCollection<DataViewSchema.Column> active,
        Func<AddedColumnsRow<TInput>, ReadOnlyMemory<float>> compute)
    {
        _bindings = bindings;
        _input = input;
        _active = [.. active.Select(column => column.Index)];
        _compute = compute;
        if (active.Any(bindings.IsAdded)) _reader = bindings.CreateReader(input);
    }

    public override DataViewSchema Schema => _bindings.Output;

    public override long Position => _input.Position;

    public override long Batch => _input.Batch;

    /// <summary>Reads what decides the current row's values. At least one added column must be active.</summary>
    /// <exception cref="InvalidOperationException">
    /// No values can be computed for this row; the message says why.
    /// </exception>
    public TInput ReadInput() => _reader!.ReadChecked();

    public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

    public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        if (!IsColumnActive(column)) throw RowErrors.Inactive(column);
        if (!_bindings.IsAdded(column)) return _input.GetGetter<TValue>(_bindings.Input[column.Index]);

        return _bindings.CreateGetter(column, () => _compute(this)) as ValueGetter<TValue>
            ?? throw RowErrors.WrongType(column, typeof(TValue));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            // The reader, if there is one, owns the input.
            if (_reader is null) _input.Dispose();
            else _reader.Dispose();
        }

        base.Dispose(disposing);
    }
}
