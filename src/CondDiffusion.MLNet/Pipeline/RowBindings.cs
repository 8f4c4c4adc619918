using Microsoft.ML;

namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Binds a model to an input schema: decides which columns the model reads and which it adds after them.
/// </summary>
/// <param name="input">The schema of the input.</param>
/// <typeparam name="TInput">The type of what decides a row's values.</typeparam>
internal abstract class RowBindings<TInput>(DataViewSchema input)
{
    public DataViewSchema Input { get; } = input;

    /// <summary>Gets the columns of the input, followed by the added ones.</summary>
    public abstract DataViewSchema Output { get; }

    /// <summary>Gets the input columns that decide a row's values, or explain why it has none.</summary>
    public abstract IEnumerable<DataViewSchema.Column> Inputs { get; }

    /// <summary>Returns whether the model adds this output column.</summary>
    public bool IsAdded(DataViewSchema.Column column) => column.Index >= Input.Count;

    /// <summary>Returns the input columns that some output columns need.</summary>
    public IEnumerable<DataViewSchema.Column> Dependencies(IEnumerable<DataViewSchema.Column> columns) => columns
        .SelectMany(column => IsAdded(column) ? Inputs : [Input[column.Index]])
        .DistinctBy(column => column.Index)
        .ToArray();

    /// <summary>
    /// Returns whether values can be computed for a row. Those for which they cannot be are left out of their batch.
    /// </summary>
    public abstract bool CanCompute(TInput input);

    /// <summary>Returns whether two readings can be of the same row.</summary>
    public virtual bool IsSame(TInput a, TInput b) => EqualityComparer<TInput>.Default.Equals(a, b);

    /// <summary>Creates a reader of a row, in which the columns of <see cref="Inputs"/> are active.</summary>
    public abstract IRowReader<TInput> CreateReader(DataViewRow row);

    /// <summary>Creates a getter of an added column.</summary>
    /// <param name="column">The added column.</param>
    /// <param name="compute">Returns the values of the current row; called whenever the column is read.</param>
    /// <returns>The column's <see cref="ValueGetter{TValue}"/>.</returns>
    public abstract Delegate CreateGetter(DataViewSchema.Column column, Func<ReadOnlyMemory<float>> compute);
}
