using System.Collections.Immutable;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;

namespace CondDiffusion.MLNet.Augmentation;

/// <summary>
/// Generates the rows of a plan, in batches, for one reader. A refused image is generated again from other noise, so
/// that a row's image follows from the model, the options, the labels and the number of the data's rows, and the row's
/// number alone.
/// </summary>
/// <param name="augmenter">What decides the rows.</param>
internal sealed class AcceptedRows(Augmenter augmenter)
{
    private readonly List<GeneratedRow> _batch = [];
    private int _first;
    private int _accepted;
    private ImmutableDictionary<string, int> _disputed = ImmutableDictionary<string, int>.Empty;
    private ImmutableDictionary<string, int> _copied = ImmutableDictionary<string, int>.Empty;

    private AugmentationPlan Plan => augmenter.Plan;

    /// <summary>Returns a row, and generates those of its batch first if necessary.</summary>
    public GeneratedRow Read(int row)
    {
        if (row < _first || row >= _first + _batch.Count) GenerateBatch(row);
        return _batch[row - _first];
    }

    private void GenerateBatch(int first)
    {
        _batch.Clear();
        _first = first;
        var count = Math.Min(augmenter.Generator.ChooseBatchSize(), Plan.GeneratedRows - first);
        var accepted = new GeneratedRow?[count];
        for (var attempt = 0; attempt < augmenter.Options.MostAttempts; attempt++)
        {
            int[] open = [.. Enumerable.Range(0, count).Where(i => accepted[i] is null)];
            if (open.Length == 0) break;

            augmenter.CheckAlive();
            var rows = Generate([.. open.Select(i => first + i)], attempt);
            var isAccepted = Judge(rows);
            for (var i = 0; i < open.Length; i++)
            {
                if (isAccepted[i]) accepted[open[i]] = rows[i];
            }
        }

        _accepted += accepted.Count(row => row is not null);
        if (Array.IndexOf(accepted, null) is var refused and >= 0) throw GaveUp(first + refused);

        _batch.AddRange(accepted!);
        Report(isLast: first + count == Plan.GeneratedRows);
    }

    private GeneratedRow[] Generate(int[] rows, int attempt)
    {
        var key = SeedStream.Augmentation(augmenter.Seed, attempt);
        Condition[] conditions =
        [
            .. rows.Select(row => new Condition(
                augmenter.LabelRows[Plan.LabelOf(row)],

                // Numbered after the rows of the data, so that augmenting the result again takes other noise.
                new UInt128(key, (ulong)(Plan.RealRows + row)),
                augmenter.Guidance)),
        ];
        var pixels = augmenter.Generator.Generate(conditions, augmenter.Options.CancellationToken);
        var size = pixels.Length / rows.Length;
        return [.. rows.Select((row, i) => new GeneratedRow(Plan.LabelOf(row), pixels.AsMemory(i * size, size)))];
    }

    private bool[] Judge(GeneratedRow[] rows)
    {
        var accepted = augmenter.Classifier?.Judge(rows) ?? [.. rows.Select(_ => true)];
        _disputed = Count(_disputed, rows.Where((_, i) => !accepted[i]));
        if (augmenter.Copies is not { } copies || !accepted.Contains(true)) return accepted;

        int[] agreed = [.. Enumerable.Range(0, rows.Length).Where(i => accepted[i])];
        var isCopy = copies.Value.Judge([.. agreed.Select(i => rows[i])]);
        _copied = Count(_copied, agreed.Where((_, i) => isCopy[i]).Select(i => rows[i]));
        for (var i = 0; i < agreed.Length; i++) accepted[agreed[i]] = !isCopy[i];
        return accepted;
    }

    private static ImmutableDictionary<string, int> Count(
        ImmutableDictionary<string, int> counts, IEnumerable<GeneratedRow> rows) =>
        rows.Aggregate(counts, (sum, row) => sum.SetItem(row.Label, sum.GetValueOrDefault(row.Label) + 1));

    private AugmentationProgress CreateProgress() => new()
    {
        Accepted = _accepted,
        Images = Plan.GeneratedRows,
        DisputedByLabel = _disputed,
        CopiedByLabel = _copied,
    };

    private void Report(bool isLast)
    {
        var progress = CreateProgress();
        if (isLast)
        {
            augmenter.Log(
                $"Generated {_accepted} images. In addition, the classifier disputed {progress.Disputed} images, and " +
                $"{progress.Copied} were near copies.");
        }

        augmenter.Options.Progress?.Report(progress);
    }

    private InvalidOperationException GaveUp(int row)
    {
        var progress = CreateProgress();
        return new(
            $"Generated row {row}, of the label '{Plan.LabelOf(row)}': each of {augmenter.Options.MostAttempts} " +
            $"images ({nameof(AugmentationOptions.MostAttempts)}) was refused. Of all images so far, {_accepted} " +
            $"were accepted, the classifier disputed {progress.Disputed}, and {progress.Copied} were near copies. " +
            $"Lower {nameof(AugmentationOptions.LeastProbability)} or {nameof(AugmentationOptions.CopyDistance)}, " +
            $"raise {nameof(AugmentationOptions.MostAttempts)}, or train the generator longer.");
    }
}
