using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>Which images a training sees at which step, and which it holds out: decided by the seed alone.</summary>
internal sealed class EpochPlan
{
    private readonly ulong _seed;
    private readonly int[] _training;
    private readonly double[]? _ends; // the sum of the frequencies up to each training image, itself included

    /// <param name="store">The images, at least one.</param>
    /// <param name="settings">
    /// Epochs, batch size, label balance, fraction of generated images, validation fraction and seed.
    /// </param>
    /// <param name="smallestBatch">
    /// The fewest images that a step can have. A last batch of an epoch with fewer is left out; its images come in
    /// other epochs, since each has another order.
    /// </param>
    /// <exception cref="InvalidOperationException">No batch has that many images.</exception>
    public EpochPlan(ImageStore store, TrainingSettings settings, int smallestBatch = 1)
    {
        _seed = settings.Seed;
        var images = store.Count;
        var rows = Shuffle([.. Enumerable.Range(0, images)], SeedStream.HeldOut(_seed));
        var heldOut = Math.Min((int)(settings.ValidationFraction * images), images - 1);

        HeldOut = rows.AsMemory(0, heldOut);
        _training = rows[heldOut..];
        Array.Sort(_training);
        var generated = settings.GeneratedFraction is null ? null : store.AreGenerated;
        if (settings.LabelBalance > 0 || generated is not null)
            _ends = Accumulate(store.Labels, settings.LabelBalance, generated, settings.GeneratedFraction ?? 0);

        // No more than there are images: a batch size of int.MaxValue is a way to say "all of them".
        BatchSize = Math.Min(settings.BatchSize, _training.Length);
        if (BatchSize < smallestBatch)
        {
            throw new InvalidOperationException(
                $"A training step on these images needs a batch of at least {smallestBatch}, but BatchSize is " +
                $"{settings.BatchSize} and there are {_training.Length} images to train on.");
        }

        var fullBatches = _training.Length / BatchSize;
        var remainder = _training.Length % BatchSize;
        StepsPerEpoch = remainder >= smallestBatch ? fullBatches + 1 : fullBatches;
        Steps = (long)StepsPerEpoch * settings.Epochs;
    }

    /// <summary>Rows of the images that are not trained on.</summary>
    public ReadOnlyMemory<int> HeldOut { get; }

    /// <summary>Images in a step; the last step of an epoch may have fewer.</summary>
    public int BatchSize { get; }

    public int StepsPerEpoch { get; }

    /// <summary>Steps of the whole training.</summary>
    public long Steps { get; }

    /// <summary>The epoch, from 1, of a step, from 1.</summary>
    public long EpochOf(long step) => (step - 1) / StepsPerEpoch + 1;

    /// <summary>Whether a step, from 1, is the last of its epoch.</summary>
    public bool EndsEpoch(long step) => step % StepsPerEpoch == 0;

    /// <summary>The rows of the images that are still to come in an epoch, in their order.</summary>
    /// <param name="stepsDone">Steps that the training has done.</param>
    public ReadOnlyMemory<int> RestOfEpoch(long stepsDone)
    {
        var epoch = EpochOf(stepsDone + 1);
        var order = Shuffle(Rows(epoch), SeedStream.EpochOrder(_seed, epoch));
        var start = (int)(stepsDone % StepsPerEpoch) * BatchSize;
        var end = (int)Math.Min((long)StepsPerEpoch * BatchSize, order.Length);
        return order.AsMemory(start..end);
    }

    /// <summary>
    /// Returns the rows of an epoch. Where not all are equally frequent, a row comes as often as its frequency says,
    /// rounded up or down by one random number for all, so that the epoch is as long as without.
    /// </summary>
    private int[] Rows(long epoch)
    {
        if (_ends is null) return _training;

        var start = (SeedStream.EpochRows(_seed, epoch) >> 11) * Math.Pow(2, -53); // in [0, 1)
        var rows = new int[_training.Length];
        var filled = 0;
        for (var i = 0; i < _training.Length; i++)
        {
            while (filled < rows.Length && filled + start < _ends[i]) rows[filled++] = _training[i];
        }

        return rows;
    }

    /// <summary>
    /// Sums the frequencies of the training images as multiples of their mean. That of an image whose label has n
    /// images is n^-balance; m generated ones of them share their fraction of n, which is m / n at most, and the real
    /// ones the rest.
    /// </summary>
    private double[] Accumulate(
        IReadOnlyList<int> labels, double balance, IReadOnlyList<bool>? generated, double fraction)
    {
        var counts = _training.CountBy(row => labels[row]).ToDictionary();
        var generatedCounts = _training.Where(IsGenerated).CountBy(row => labels[row]).ToDictionary();
        double[] frequencies = [.. _training.Select(Frequency)];
        var mean = frequencies.Average();
        var ends = new double[frequencies.Length];
        var sum = 0.0;
        for (var i = 0; i < ends.Length; i++) ends[i] = sum += frequencies[i] / mean;

        ends[^1] = ends.Length; // which rounding may have missed
        return ends;

        bool IsGenerated(int row) => generated?[row] ?? false;

        double Frequency(int row)
        {
            double n = counts[labels[row]];
            var m = generatedCounts.GetValueOrDefault(labels[row]);
            var isMixed = m > 0 && m < n && fraction < m / n;
            var share = !isMixed ? 1 : IsGenerated(row) ? fraction * n / m : (1 - fraction) * n / (n - m);
            return Math.Pow(n, -balance) * share;
        }
    }

    private static int[] Shuffle(int[] rows, ulong seed)
    {
        using var generator = new Generator(seed, CPU);
        using var permutation = randperm(rows.Length, ScalarType.Int32, CPU, generator: generator);
        return [.. permutation.data<int>().Select(i => rows[i])];
    }
}
