using System.Globalization;

namespace CondDiffusion.MLNet;

/// <summary>
/// The accuracy on real images of a classifier that was trained on generated images only: the classification accuracy
/// score (Ravuri and Vinyals 2019, arXiv 1905.10887).
/// </summary>
public sealed record ClassificationAccuracyScore
{
    internal ClassificationAccuracyScore(IReadOnlyList<double> accuracies, int trainingCount, int testCount)
    {
        Accuracies = accuracies;
        TrainingCount = trainingCount;
        TestCount = testCount;
        Accuracy = accuracies.Average();
        StandardDeviation = accuracies.Count == 1
            ? 0
            : Math.Sqrt(accuracies.Sum(value => (value - Accuracy) * (value - Accuracy)) / (accuracies.Count - 1));
    }

    /// <summary>Mean accuracy of the trainings.</summary>
    /// <value>In [0, 1]; higher is better, up to that of <see cref="Ceiling"/>.</value>
    public double Accuracy { get; }

    /// <summary>
    /// Standard deviation of the trainings' accuracies; 0 if there is one. It says how much the classifier's seed
    /// matters, not the generator's.
    /// </summary>
    public double StandardDeviation { get; }

    /// <summary>The accuracy of each training.</summary>
    public IReadOnlyList<double> Accuracies { get; }

    /// <summary>Number of images that each training used.</summary>
    public int TrainingCount { get; }

    /// <summary>Number of real images that were classified.</summary>
    public int TestCount { get; }

    /// <summary>
    /// The same for as many real training images, or for all of a label that has fewer. If it has as many, no generator
    /// of so many images can be expected to do better.
    /// </summary>
    /// <value>Null without <see cref="ClassificationAccuracyOptions.RealData"/>, and in the ceiling itself.</value>
    public ClassificationAccuracyScore? Ceiling { get; internal init; }

    /// <summary>Returns the score and its ceiling in one line.</summary>
    public override string ToString()
    {
        var ceiling = Ceiling is null ? "" : $"; on {Ceiling.TrainingCount} real ones: {Describe(Ceiling)}";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"trained on {TrainingCount} images, tested on {TestCount}: {Describe(this)}{ceiling}");

        static string Describe(ClassificationAccuracyScore score) => string.Create(
            CultureInfo.InvariantCulture,
            $"{score.Accuracy * 100:F2} ± {score.StandardDeviation * 100:F2} % ({score.Accuracies.Count} trainings)");
    }
}
