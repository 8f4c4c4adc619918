using Microsoft.ML;

namespace CondDiffusion.MLNet.Data;

/// <summary>Rows in files, which are read when a cursor is on them.</summary>
internal interface IRowSource
{
    DataViewSchema Schema { get; }

    int RowCount { get; }

    /// <summary>Opens what the values of some columns are read from.</summary>
    /// <param name="columns">Indices of the columns.</param>
    /// <param name="inAnyOrder">
    /// Whether the rows will be visited in any order, for which memory is then taken; otherwise each will be the one
    /// after the previous one.
    /// </param>
    ICurrentRow Open(IReadOnlySet<int> columns, bool inAnyOrder);
}
