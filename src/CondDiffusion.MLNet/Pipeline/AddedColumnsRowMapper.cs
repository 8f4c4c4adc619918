using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Computes one row at a time, for a PredictionEngine. It gives a row the same values as
/// <see cref="AddedColumnsView{TInput}"/>.
/// </summary>
internal sealed class AddedColumnsRowMapper<TInput>(IRowComputer<TInput> computer, RowBindings<TInput> bindings)
    : IRowToRowMapper
{
    public DataViewSchema InputSchema => bindings.Input;

    public DataViewSchema OutputSchema => bindings.Output;

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        bindings.Dependencies(dependingColumns);

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        if (input.Schema != InputSchema)
        {
            throw RowErrors.WrongSchema(nameof(input));
        }

        // All added columns of a row share its values, so they are kept until the row moves.
        float[]? values = null;
        long position = -1;
        return new AddedColumnsRow<TInput>(bindings, input, [.. activeColumns], Compute);

        ReadOnlyMemory<float> Compute(AddedColumnsRow<TInput> row)
        {
            if (values is null || position != row.Position)
            {
                values = computer.Compute([row.ReadInput()]);
                position = row.Position;
            }

            return values;
        }
    }
}
