namespace CondDiffusion.MLNet.Data;

/// <summary>The row of an <see cref="IRowSource"/> that a cursor is on.</summary>
internal interface ICurrentRow : IDisposable
{
    void MoveTo(int row);

    /// <summary>
    /// Creates a getter of the current row's value in an open column: a <c>ValueGetter</c> of the column's type.
    /// </summary>
    Delegate CreateGetter(int column);
}
