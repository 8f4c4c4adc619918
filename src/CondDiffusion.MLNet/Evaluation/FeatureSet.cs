using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>The rows of a view that is evaluated.</summary>
/// <param name="Name">The view's part in the evaluation, for messages: generated, real or training.</param>
/// <param name="Features">The feature vectors, float32 (N, D).</param>
/// <param name="Labels">The label of each row; null for none.</param>
/// <param name="Predicted">The predicted label of each row, empty where it is missing; null for none.</param>
/// <param name="Hashes">A hash of each feature vector.</param>
internal sealed record FeatureSet(
    string Name, Tensor Features, string[]? Labels, string[]? Predicted, UInt128[] Hashes)
{
    /// <summary>Gets the number of rows.</summary>
    public int Count => Hashes.Length;

    /// <summary>Returns the numbers of the rows with a label, in their order; all rows for null.</summary>
    public int[] Find(string? label) =>
        [.. Enumerable.Range(0, Count).Where(row => label is null || Labels![row] == label)];

    /// <summary>Returns some of the rows. The current dispose scope owns the copy of their features.</summary>
    public FeatureSet Select(int[] rows)
    {
        using var indexes = tensor(rows, ScalarType.Int32, CPU);
        return new(
            Name,
            Features.index_select(0, indexes),
            Labels is null ? null : [.. rows.Select(row => Labels[row])],
            Predicted is null ? null : [.. rows.Select(row => Predicted[row])],
            [.. rows.Select(row => Hashes[row])]);
    }
}
