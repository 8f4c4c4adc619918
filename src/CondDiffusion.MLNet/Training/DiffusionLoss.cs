using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The diffusion loss || target - prediction(x_t, t, y) ||^2 (Ho et al. 2020, arXiv 2006.11239, equation 14), weighted
/// by timestep if a min-SNR gamma is set: algorithm 1 there, in batches.
/// </summary>
internal sealed class DiffusionLoss : ITrainingLoss
{
    private readonly ConditionalUNet _network;
    private readonly ForwardProcess _process;
    private readonly Tensor _noises;
    private readonly Tensor? _weights;
    private readonly DiffusionSettings _settings;
    private readonly TimestepDistribution _timesteps;

    /// <param name="network">The network to train.</param>
    /// <param name="schedule">The noise at each timestep.</param>
    /// <param name="settings">The settings of the loss, and of the loop around it.</param>
    public DiffusionLoss(ConditionalUNet network, NoiseSchedule schedule, DiffusionSettings settings)
    {
        _network = network;
        _settings = settings;
        _timesteps = TimestepDistribution.Create(
            settings.TimestepSampling, schedule, settings.NoiseLevelMean, settings.NoiseLevelDeviation);
        _process = new(schedule, settings.Target, network.Device);
        _noises = Table(t => network.Shape.NoiseAt(schedule, t));
        if (settings.MinSnrGamma > 0)
        {
            _weights = Table(t =>
                (float)settings.Target.MinSnrWeight(schedule.SignalToNoise(t), settings.MinSnrGamma));
        }

        Tensor Table(Func<int, float> value)
        {
            // No image has t = 0.
            var values = Enumerable.Range(1, schedule.Timesteps).Select(value).Prepend(0);
            return tensor([.. values], ScalarType.Float32, network.Device).DetachFromDisposeScope();    // T+1
        }
    }

    public Tensor Compute(Batch batch, Generator random, bool training)
    {
        using var scope = NewDisposeScope();
        var (x0, labels) = batch.To(_network.Device);
        var (t, eps) = DrawNoise(random, x0);
        if (training && _settings.LabelDropout > 0) labels = HideLabels(labels, _settings.LabelDropout, random);
        if (!training) return Compute(x0, t, eps, labels, training).MoveToOuterDisposeScope();

        var (transformed, transforms) = _settings.Augmentation.Apply(x0, random);
        return Compute(transformed, t, eps, labels, training, transforms).MoveToOuterDisposeScope();
    }

    /// <summary>Computes the mean loss of images with given noise.</summary>
    /// <param name="x0">The images, (B, C, H, W).</param>
    /// <param name="t">The timestep of each image, 1..T, int64 (B).</param>
    /// <param name="eps">Standard normal noise, (B, C, H, W).</param>
    /// <param name="labels">The label row of each image or <see cref="LabelRow.None"/>, int64 (B).</param>
    /// <param name="training">
    /// Whether to normalize by the batch's statistics, and to update the running ones, rather than to normalize by
    /// those.
    /// </param>
    /// <param name="transforms">
    /// What <see cref="AffineAugmentation.Apply"/> did to each image, (B, 5); null for nothing.
    /// </param>
    public Tensor Compute(
        Tensor x0, Tensor t, Tensor eps, Tensor labels, bool training, Tensor? transforms = null)
    {
        using var scope = NewDisposeScope();
        var (xt, target) = _process.Sample(x0, t, eps);
        var noises = _noises.index_select(0, t);
        var prediction = _network.Forward(xt, noises, labels, training, _settings.Type, transforms);
        return Error(prediction, target, t).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _process.Dispose();
        _timesteps.Dispose();
        _noises.Dispose();
        _weights?.Dispose();
    }

    /// <summary>
    /// Draws a timestep for each image, and noise like the images. They are drawn on the CPU, so that a seed means the
    /// same on every device; TorchSharp makes no other generators.
    /// </summary>
    internal (Tensor T, Tensor Eps) DrawNoise(Generator random, Tensor x0)
    {
        var t = _timesteps.Draw(x0.shape[0], random);
        var eps = randn(x0.shape, ScalarType.Float32, CPU, generator: random);
        return (t.to(x0.device), eps.to(x0.device));
    }

    /// <summary>Replaces a fraction of the labels by none, at random.</summary>
    internal static Tensor HideLabels(Tensor labels, double fraction, Generator random)
    {
        var hidden = rand([labels.shape[0]], ScalarType.Float32, CPU, generator: random) < fraction;
        return labels.masked_fill(hidden.to(labels.device), LabelRow.None);
    }

    private Tensor Error(Tensor prediction, Tensor target, Tensor t)
    {
        if (_weights is null) return nn.functional.mse_loss(prediction, target);

        var errors = (prediction - target).square().mean([1, 2, 3]);                         // B
        return (errors * _weights.index_select(0, t)).mean();
    }
}
