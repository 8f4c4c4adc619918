using CondDiffusion.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>Maps each row to itself.</summary>
internal sealed class IdentityRowMapper(DataViewSchema schema) : IRowToRowMapper
{
    public DataViewSchema InputSchema => schema;

    public DataViewSchema OutputSchema => schema;

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        dependingColumns;

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns) =>
        input.Schema == schema
            ? input
            : throw RowErrors.WrongSchema(nameof(input));
}
