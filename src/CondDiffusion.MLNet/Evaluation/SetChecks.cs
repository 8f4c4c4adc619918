using System.Globalization;

namespace CondDiffusion.MLNet.Evaluation;

/// <summary>Checks the rows that were read for an evaluation.</summary>
/// <param name="sets">The generated rows, the real ones, and the training rows if there are any.</param>
/// <param name="warn">Receives a warning.</param>
internal sealed class SetChecks(IReadOnlyList<EvaluatedRows> sets, Action<string> warn)
{
    /// <summary>Returns the labels, sorted as numbers if they all are; none without a label column.</summary>
    /// <exception cref="InvalidOperationException">A set lacks a label that another has.</exception>
    public IReadOnlyList<string> FindLabels()
    {
        if (sets[0].Labels is null) return [];

        var found = sets.Select(set => set.Labels!.ToHashSet()).ToArray();
        for (var i = 0; i < sets.Count; i++)
        {
            for (var j = 0; j < sets.Count; j++)
            {
                var missing = found[i].Except(found[j]).Order(StringComparer.Ordinal).ToArray();
                if (missing.Length == 0) continue;

                throw new InvalidOperationException(
                    $"The {sets[j].Name} data has no rows of {Name(missing)}, but the {sets[i].Name} data has. " +
                    "Leave these rows out, or evaluate without a label column.");
            }
        }

        var sorted = found[0].Order(StringComparer.Ordinal).ToArray();
        var areNumbers = sorted.All(label => double.TryParse(label, CultureInfo.InvariantCulture, out _));
        return areNumbers ? [.. sorted.OrderBy(label => double.Parse(label, CultureInfo.InvariantCulture))] : sorted;
    }

    /// <summary>
    /// Checks that all rows, and those of each label, are enough to have k other rows, and warns where they are fewer
    /// than the features.
    /// </summary>
    /// <exception cref="InvalidOperationException">There are fewer.</exception>
    public void CheckCounts(IReadOnlyList<string> labels, int neighbors)
    {
        for (var i = 0; i < sets.Count; i++)
        {
            var set = sets[i];
            var isTraining = i == 2;
            var least = isTraining ? 2 : neighbors + 1;
            var reason = isTraining ? "a row and another one" : $"a row and its {neighbors} neighbors";
            if (set.Count < least)
            {
                throw new InvalidOperationException(
                    $"The {set.Name} data has {set.Count} rows, but {reason} are needed.");
            }

            var counts = set.Labels?.CountBy(label => label).ToDictionary();
            foreach (var label in labels.Where(label => counts![label] < least))
            {
                throw new InvalidOperationException(
                    $"The {set.Name} data has {counts![label]} rows of label '{label}', but {reason} are needed. " +
                    "Add rows, or evaluate without a label column.");
            }

            if (!isTraining) WarnOfFewRows(set, labels, counts);
        }
    }

    /// <summary>Warns where real rows are among the training rows.</summary>
    public void WarnOfOverlap()
    {
        if (sets.Count < 3) return;

        var known = sets[2].Hashes.ToHashSet();
        var count = sets[1].Hashes.Count(known.Contains);
        if (count == 0) return;

        warn($"{count} of {sets[1].Count} rows of the real data have the features of a row of the training data. " +
            "The real data should be a test set: the floor is too low now, and C_T too high.");
    }

    private void WarnOfFewRows(EvaluatedRows set, IReadOnlyList<string> labels, Dictionary<string, int>? counts)
    {
        const string Bias = "The Fréchet distance is biased upwards; compare it with that of as many rows only.";
        var features = set.Features.Size;
        if (set.Count < features)
        {
            warn($"The {set.Name} data has {set.Count} rows, fewer than its {features} features. {Bias}");
            return;
        }

        var few = labels.Where(label => counts![label] < features).ToArray();
        if (few.Length > 0)
            warn($"The {set.Name} data has fewer rows of {Name(few)} than its {features} features. {Bias}");
    }

    private static string Name(string[] labels)
    {
        const int Shown = 12;
        var names = string.Join(", ", labels.Take(Shown).Select(label => $"'{label}'"));
        return $"label{(labels.Length > 1 ? "s" : "")} {names}{(labels.Length > Shown ? ", ..." : "")}";
    }
}
