namespace CondDiffusion.MLNet.Model;

/// <summary>Computes values of rows in batches. The values of a row do not depend on the others in its batch.</summary>
/// <typeparam name="TInput">The type of what decides a row's values.</typeparam>
internal interface IRowComputer<TInput>
{
    /// <summary>Gets the number of values that a row has.</summary>
    int ValuesPerRow { get; }

    /// <summary>Returns the number of rows to compute at a time.</summary>
    int ChooseBatchSize();

    /// <summary>Computes the values of rows.</summary>
    /// <param name="rows">What decides the values of each row. Values can be computed for all of them.</param>
    /// <returns>The values of the first row, then those of the second one, and so on.</returns>
    float[] Compute(IReadOnlyList<TInput> rows);
}
