using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>Which images a training sees at which step, and which it holds out: decided by the seed alone.</summary>
internal sealed class EpochPlan
{
    private readonly ulong _seed;
    private readonly int[] _training;

    /// <param name="images">Images in all, at least one.</param>
    /// <param name="settings">Epochs, batch size, validation fraction and seed.</param>
    /// <param name="smallestBatch">
    /// The fewest images that a step can have. A last batch of an epoch with fewer is left out; its images come in
    /// other epochs, since each has another order.
    /// </param>
    /// <exception cref="InvalidOperationException">No batch has that many images.</exception>
    public EpochPlan(int images, TrainingSettings settings, int smallestBatch = 1)
    {
        _seed = settings.Seed;
        var rows = Shuffle([.. Enumerable.Range(0, images)], SeedStream.HeldOut(_seed));
        var heldOut = Math.Min((int)(settings.ValidationFraction * images), images - 1);

        HeldOut = rows.AsMemory(0, heldOut);
        _training = rows[heldOut..];
        Array.Sort(_training);

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
        var order = Shuffle(_training, SeedStream.EpochOrder(_seed, EpochOf(stepsDone + 1)));
        var start = (int)(stepsDone % StepsPerEpoch) * BatchSize;
        var end = (int)Math.Min((long)StepsPerEpoch * BatchSize, order.Length);
        return order.AsMemory(start..end);
    }

    private static int[] Shuffle(int[] rows, ulong seed)
    {
        using var generator = new Generator(seed, CPU);
        using var permutation = randperm(rows.Length, ScalarType.Int32, CPU, generator: generator);
        return [.. permutation.data<int>().Select(i => rows[i])];
    }
}
