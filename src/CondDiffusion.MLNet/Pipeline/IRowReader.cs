namespace CondDiffusion.MLNet.Pipeline;

/// <summary>
/// Reads from a row what decides its values. The reader owns the row: disposing the reader disposes the row.
/// </summary>
/// <typeparam name="TInput">The type of what is read.</typeparam>
internal interface IRowReader<out TInput> : IDisposable
{
    /// <summary>
    /// Reads what decides the current row's values, whether or not they can be computed. It does not throw for a row
    /// whose values cannot be, because rows that are read ahead must not affect others.
    /// </summary>
    TInput Read();

    /// <summary>Reads what decides the current row's values, and checks that they can be computed.</summary>
    /// <exception cref="InvalidOperationException">
    /// No values can be computed for the row; the message says why.
    /// </exception>
    TInput ReadChecked();
}
