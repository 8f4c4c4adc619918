using CondDiffusion.MLNet.Model;
using Microsoft.ML;

namespace CondDiffusion.MLNet;

/// <summary>What <see cref="ImageGenerationCatalog.Evaluate"/> compares, and how.</summary>
public sealed record EvaluationOptions
{
    /// <summary>
    /// Name of the column that represents an image as numbers, in all views: a vector of known size of Single.
    /// </summary>
    /// <value>Default: Features.</value>
    public string FeatureColumnName { get; init; } = "Features";

    /// <summary>
    /// Name of the label column, in all views: keys, texts, numbers or booleans. In the generated data it is the label
    /// that was asked for. Labels are compared as text, keys by their values; keys without values can be compared only
    /// with each other.
    /// </summary>
    /// <value>A column name, or null for no metrics by label. Default: Label.</value>
    public string? LabelColumnName { get; init; } = "Label";

    /// <summary>
    /// Name of a column of the generated data with the label that a classifier sees in the image, for
    /// <see cref="ImageGenerationMetrics.LabelAccuracy"/>. A missing one counts as wrong. The other data may have the
    /// column too, for the floor.
    /// </summary>
    /// <value>A column name, or null for no label accuracy. Default: null.</value>
    public string? PredictedLabelColumnName { get; init; }

    /// <summary>
    /// The data that the generator was trained on, for <see cref="ImageGenerationMetrics.Authenticity"/>,
    /// <see cref="ImageGenerationMetrics.CopyingStatistic"/> and an exact <see cref="ImageGenerationMetrics.Floor"/>.
    /// The real data should then be a test set: data that the generator has not seen.
    /// </summary>
    /// <value>A view with the same columns, or null. Default: null.</value>
    public IDataView? TrainingData { get; init; }

    /// <summary>
    /// The neighbour that the balls of precision, recall, density and coverage reach to, k. The generated and the real
    /// data, and each label of them, need more rows than this; the training data needs two.
    /// </summary>
    /// <value>At least 1. Default: 5.</value>
    public int Neighbors { get; init; } = 5;

    /// <summary>Number of random subsets whose kernel distances are averaged.</summary>
    /// <value>At least 1. Default: 100.</value>
    public int KernelSubsets { get; init; } = 100;

    /// <summary>Rows of such a subset. Smaller data are used whole.</summary>
    /// <value>At least 2. Default: 1000.</value>
    public int KernelSubsetSize { get; init; } = 1000;

    /// <summary>Decides the subsets of the kernel distance, the rows of the floor and the cells of C_T.</summary>
    /// <value>
    /// Any number, or null for the seed of the <see cref="MLContext"/>, or 0 if it has none. Default: null.
    /// </value>
    public int? Seed { get; init; }

    /// <summary>Cancels the evaluation, at the next block of distances.</summary>
    /// <value>Default: none.</value>
    public CancellationToken CancellationToken { get; init; }

    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    internal void Validate()
    {
        var errors = new OptionErrors();
        errors.ColumnName(FeatureColumnName);
        errors.ColumnNameOrNull(LabelColumnName);
        errors.ColumnNameOrNull(PredictedLabelColumnName);
        errors.Check(
            PredictedLabelColumnName is null || LabelColumnName is not null,
            nameof(LabelColumnName),
            $"given where {nameof(PredictedLabelColumnName)} is",
            null);
        errors.Positive(Neighbors);
        errors.Positive(KernelSubsets);
        errors.Check(KernelSubsetSize >= 2, nameof(KernelSubsetSize), "at least 2", KernelSubsetSize);
        if (errors.Text is { } text) throw new ArgumentException(text, "options");
    }
}
