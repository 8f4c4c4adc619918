namespace CondDiffusion.MLNet.Evaluation;

/// <summary>The rows that were read from a view, before they become tensors.</summary>
/// <param name="Name">The view's part in the evaluation, for messages: generated, real or training.</param>
/// <param name="Features">The feature vectors.</param>
/// <param name="Labels">The label of each row; null for none.</param>
/// <param name="Predicted">The predicted label of each row, empty where it is missing; null for none.</param>
/// <param name="Hashes">A hash of each feature vector.</param>
internal sealed record EvaluatedRows(
    string Name, RowChunks Features, string[]? Labels, string[]? Predicted, UInt128[] Hashes)
{
    /// <summary>Gets the number of rows.</summary>
    public int Count => Hashes.Length;

    /// <summary>Moves the features into a tensor, which the current dispose scope owns.</summary>
    public FeatureSet MoveToSet() => new(Name, Features.MoveToTensor(), Labels, Predicted, Hashes);
}
