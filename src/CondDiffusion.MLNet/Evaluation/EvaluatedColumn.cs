using Microsoft.ML;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>Finds the columns of the views that are evaluated.</summary>
internal static class EvaluatedColumn
{
    /// <param name="data">The view.</param>
    /// <param name="view">The view's part in the evaluation, for messages.</param>
    /// <param name="name">Name of the column.</param>
    /// <param name="role">What it holds, for messages.</param>
    /// <exception cref="ArgumentException">There is no such column.</exception>
    public static DataViewSchema.Column Find(IDataView data, string view, string name, string role) =>
        data.Schema.GetColumnOrNull(name)
            ?? throw new ArgumentException($"The {view} data has no column '{name}' ({role} column).", view);
}
