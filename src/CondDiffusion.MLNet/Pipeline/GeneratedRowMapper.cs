using CondDiffusion.MLNet.Model;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Generates one row at a time, for a PredictionEngine. It generates the same image for a row as
/// <see cref="GeneratedDataView"/>.
/// </summary>
internal sealed class GeneratedRowMapper(ImageGenerator generator, GeneratedBindings bindings) : IRowToRowMapper
{
    public DataViewSchema InputSchema => bindings.Input;

    public DataViewSchema OutputSchema => bindings.Output;

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        bindings.Dependencies(dependingColumns);

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        if (input.Schema != InputSchema)
        {
            throw new ArgumentException(
                "The row's schema differs from the one that this mapper was created for.", nameof(input));
        }

        // All generated columns of a row share one image, so it is kept until the row moves.
        float[]? pixels = null;
        long position = -1;
        return new GeneratedRow(bindings, input, [.. activeColumns], Generate);

        ReadOnlyMemory<float> Generate(GeneratedRow row)
        {
            if (pixels is null || position != row.Position)
            {
                pixels = generator.Generate([row.ReadCondition()]);
                position = row.Position;
            }

            return pixels;
        }
    }
}
