namespace CondDiffusion.MLNet.Augmentation;

/// <summary>Which rows of an augmented view are generated, and for which labels.</summary>
internal sealed class AugmentationPlan
{
    private readonly string[] _labels;
    private readonly AugmentationOrder _order;

    /// <param name="rows">Rows of the real data.</param>
    /// <param name="counts">Images to generate of each label.</param>
    /// <param name="order">Where the generated rows are.</param>
    public AugmentationPlan(long rows, IEnumerable<(string Label, long Count)> counts, AugmentationOrder order)
    {
        RealRows = rows;
        _order = order;

        // The j-th of n images of a label is at (j + 1/2) / n of the way, so that every stretch has all labels.
        (string Name, long Count)[] labels = [.. counts];
        _labels = new string[labels.Sum(label => label.Count)];
        var next = new PriorityQueue<(int Label, long Image), (double Place, int Label)>();
        for (var label = 0; label < labels.Length; label++) Enqueue(label, 0);
        for (var row = 0; row < _labels.Length; row++)
        {
            var (label, image) = next.Dequeue();
            _labels[row] = labels[label].Name;
            Enqueue(label, image + 1);
        }

        void Enqueue(int label, long image)
        {
            var count = labels[label].Count;
            if (image < count) next.Enqueue((label, image), ((image + 0.5) / count, label));
        }
    }

    /// <summary>The number of real rows.</summary>
    public long RealRows { get; }

    /// <summary>The number of generated rows.</summary>
    public int GeneratedRows => _labels.Length;

    /// <summary>The number of all rows.</summary>
    public long Rows => RealRows + GeneratedRows;

    /// <summary>Returns the label of a generated row.</summary>
    public string LabelOf(int generatedRow) => _labels[generatedRow];

    /// <summary>Returns which of the generated rows the row at a position is; null for a real one.</summary>
    public int? GeneratedRowAt(long position)
    {
        var before = GeneratedBefore(position);
        return GeneratedBefore(position + 1) > before ? (int)before : null;
    }

    private long GeneratedBefore(long position) => _order == AugmentationOrder.Appended
        ? Math.Clamp(position - RealRows, 0, GeneratedRows)
        : (long)((Int128)Math.Min(position, Rows) * GeneratedRows / Math.Max(Rows, 1));
}
