using CondDiffusion.MLNet.Evaluation;

namespace CondDiffusion.MLNet;

/// <summary>
/// How good generated images are, measured on their features by <see cref="ImageGenerationCatalog.Evaluate"/>.
/// </summary>
public sealed class ImageGenerationMetrics
{
    internal ImageGenerationMetrics()
    {
    }

    /// <summary>The label whose rows these metrics are of; null for all rows.</summary>
    public string? Label { get; internal init; }

    /// <summary>Number of generated rows that were compared.</summary>
    public int GeneratedCount { get; internal init; }

    /// <summary>Number of real rows that they were compared with.</summary>
    public int RealCount { get; internal init; }

    /// <summary>Number of training rows; null where no training data was given.</summary>
    public int? TrainingCount { get; internal init; }

    /// <summary>Number of features of a row.</summary>
    public int FeatureCount { get; internal init; }

    /// <summary>
    /// The Fréchet distance between the features, taken as Gaussians (Heusel et al. 2017, arXiv 1706.08500, equation
    /// 6). Its bias falls as 1/n in the number of rows: compare distances of equal numbers of rows only.
    /// </summary>
    /// <value>0 and up; lower is better, down to that of <see cref="Floor"/>.</value>
    public double FrechetDistance { get; internal init; }

    /// <summary>
    /// The kernel distance: the unbiased squared maximum mean discrepancy with the kernel (x . y / D + 1)^3 (Bińkowski
    /// et al. 2018, arXiv 1801.01401), as the mean over random subsets.
    /// </summary>
    /// <value>Lower is better; about 0, and sometimes below it, for features of one distribution.</value>
    public double KernelDistance { get; internal init; }

    /// <summary>Standard deviation of the kernel distance over the subsets.</summary>
    public double KernelDistanceStandardDeviation { get; internal init; }

    /// <summary>
    /// Fraction of the generated rows that lie among the real rows: in a ball that reaches from a real row to its k-th
    /// nearest real row (Kynkäänniemi et al. 2019, arXiv 1904.06991).
    /// </summary>
    /// <value>In [0, 1]; higher is better.</value>
    public double Precision { get; internal init; }

    /// <summary>Fraction of the real rows that lie among the generated rows, measured as precision is.</summary>
    /// <value>In [0, 1]; higher is better.</value>
    public double Recall { get; internal init; }

    /// <summary>
    /// Mean number of real rows' balls that a generated row is in, divided by k (Naeem et al. 2020, arXiv 2002.09797).
    /// Unlike precision, it depends little on real outliers.
    /// </summary>
    /// <value>0 and up; about 1 for features of one distribution, above it where typical images are too many.</value>
    public double Density { get; internal init; }

    /// <summary>Fraction of the real rows whose balls contain a generated row (Naeem et al. 2020).</summary>
    /// <value>In [0, 1]; higher is better.</value>
    public double Coverage { get; internal init; }

    /// <summary>Fraction of the generated rows whose predicted label is the label asked for.</summary>
    /// <value>
    /// In [0, 1]; null without <see cref="EvaluationOptions.PredictedLabelColumnName"/>, and in the floor where the
    /// real data, or the training data where they are given, have no such column.
    /// </value>
    public double? LabelAccuracy { get; internal init; }

    /// <summary>
    /// Fraction of the generated rows that are farther from their nearest training row than that row is from its own
    /// nearest training row (Alaa et al. 2022, arXiv 2102.08921). In the floor it is that of the real rows.
    /// </summary>
    /// <value>
    /// In [0, 1]; below that of the floor where training images are copied. Null without
    /// <see cref="EvaluationOptions.TrainingData"/>.
    /// </value>
    public double? Authenticity { get; internal init; }

    /// <summary>
    /// C_T, a z-statistic of whether generated rows are nearer to training rows than real rows are (Meehan et al. 2020,
    /// arXiv 2004.05675), averaged over three cells of the features.
    /// </summary>
    /// <value>
    /// About 0 for new rows of the same distribution; far below 0 (less than -3) for copies, far above 0 (more than 3)
    /// where the generated rows are not like the data. Null without <see cref="EvaluationOptions.TrainingData"/>, where
    /// no cell has 20 generated rows, and in the floor.
    /// </value>
    public double? CopyingStatistic { get; internal init; }

    /// <summary>
    /// The metrics of real rows in place of the generated ones: no generator can be expected to do better.
    /// </summary>
    /// <value>
    /// With <see cref="EvaluationOptions.TrainingData"/>, as many training rows of each label as there are generated
    /// ones, if it has so many, against the same real rows. Without it, one random half of the real rows against the
    /// other; the distances of so few rows are too high, the more so the fewer there are. <see cref="GeneratedCount"/>
    /// and <see cref="RealCount"/> of the floor are the sizes. Null where these rows are not more than
    /// <see cref="EvaluationOptions.Neighbors"/>, and in the floor itself.
    /// </value>
    public ImageGenerationMetrics? Floor { get; internal init; }

    /// <summary>The metrics of each label's rows alone, in the order of the labels.</summary>
    /// <value>Empty without labels, in the metrics of a label and in the floor.</value>
    public IReadOnlyList<ImageGenerationMetrics> PerLabel { get; internal init; } = [];

    /// <summary>Returns a table of at most 80 columns: all rows, the floor, and each label.</summary>
    public override string ToString() => MetricsTable.Format(this);
}
