using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;

namespace CondDiffusion.MLNet.Augmentation;

/// <summary>
/// Generates the rows of a plan, in batches, for one reader. A refused image is generated again from other noise, so
/// that a row's image follows from the seed and the row's number alone.
/// </summary>
/// <param name="augmenter">What decides the rows.</param>
internal sealed class AcceptedRows(Augmenter augmenter)
{
    private readonly List<GeneratedRow> _batch = [];
    private int _first;
    private int _accepted;
    private int _disputed;
    private int _copied;

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

            var rows = Generate([.. open.Select(i => first + i)], attempt);
            var isAccepted = Judge(rows);
            for (var i = 0; i < open.Length; i++)
            {
                if (isAccepted[i]) accepted[open[i]] = rows[i];
            }
        }

        if (Array.IndexOf(accepted, null) is var refused and >= 0) throw GaveUp(Plan.LabelOf(first + refused));

        _batch.AddRange(accepted!);
        _accepted += count;
        Report();
    }

    private GeneratedRow[] Generate(int[] rows, int attempt)
    {
        var key = SeedStream.Augmentation(augmenter.Seed, attempt);
        Condition[] conditions =
        [
            .. rows.Select(row => new Condition(
                augmenter.LabelRows[Plan.LabelOf(row)], new UInt128(key, (ulong)row), augmenter.Guidance)),
        ];
        var pixels = augmenter.Generator.Generate(conditions, null, augmenter.Options.CancellationToken);
        var size = pixels.Length / rows.Length;
        return [.. rows.Select((row, i) => new GeneratedRow(Plan.LabelOf(row), pixels.AsMemory(i * size, size)))];
    }

    private bool[] Judge(GeneratedRow[] rows)
    {
        var agrees = augmenter.Classifier?.Judge(rows) ?? [.. rows.Select(_ => true)];
        var copies = augmenter.Copies?.Value.Judge(rows) ?? new bool[rows.Length];
        _disputed += agrees.Count(agree => !agree);
        _copied += agrees.Zip(copies).Count(row => row.First && row.Second);
        return [.. agrees.Zip(copies, (agree, copy) => agree && !copy)];
    }

    private void Report()
    {
        if (_accepted == Plan.GeneratedRows)
        {
            augmenter.Log(
                $"Generated {_accepted} images. Besides, {_disputed} were disputed by the classifier and {_copied} " +
                "were copies.");
        }

        augmenter.Options.Progress?.Report(new()
        {
            Accepted = _accepted,
            Images = Plan.GeneratedRows,
            Disputed = _disputed,
            Copied = _copied,
        });
    }

    private InvalidOperationException GaveUp(string label) => new(
        $"No image of the label '{label}' was accepted in {augmenter.Options.MostAttempts} attempts " +
        $"({nameof(AugmentationOptions.MostAttempts)}): so far, the classifier disputed {_disputed} images and " +
        $"{_copied} were copies.");
}
