using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Model;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Adds computed columns to its source, lazily and in batches. A cursor opens two cursors on the source: one for the
/// columns that pass through, and one that reads only what decides the values, a batch ahead. Nothing is computed until
/// a value of an added column is read.
/// </summary>
internal sealed class AddedColumnsView<TInput>(
    IRowComputer<TInput> computer, RowBindings<TInput> bindings, IDataView source) : IDataView, IImageMaker
{
    public DataViewSchema Schema => bindings.Output;

    public bool CanShuffle => source.CanShuffle;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var needed = columnsNeeded.ToArray();
        var dependencies = bindings.Dependencies(needed);

        // All cursors must shuffle the rows in the same way, whichever columns they read.
        var seed = rand?.Next();
        if (!needed.Any(bindings.IsAdded))
        {
            var passing = source.GetRowCursor(dependencies, CreateRandom());
            return new AddedColumnsCursor<TInput>(bindings, passing, null, needed);
        }

        DataViewRowCursor? rows = null;
        DataViewRowCursor? ahead = null;
        try
        {
            rows = source.GetRowCursor(dependencies, CreateRandom());
            ahead = source.GetRowCursor(bindings.Inputs, CreateRandom());
            return new AddedColumnsCursor<TInput>(bindings, rows, new(computer, bindings, ahead), needed);
        }
        catch
        {
            ahead?.Dispose();
            rows?.Dispose();
            throw;
        }

        Random? CreateRandom() => seed is { } value ? new Random(value) : null;
    }

    /// <summary>Returns a single cursor: the computation already uses every core.</summary>
    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    public bool MakesImages(DataViewSchema.Column column) => bindings.IsAdded(column);
}
