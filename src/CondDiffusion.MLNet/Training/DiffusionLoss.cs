using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The diffusion loss || target - prediction(x_t, t, y) ||^2 (Ho et al. 2020, arXiv 2006.11239, equation 14), weighted
/// by timestep if a min-SNR gamma is set: algorithm 1 there, in batches.
/// </summary>
internal sealed class DiffusionLoss : ITrainingLoss
{
    private static readonly Scalar NoLabel = LabelRow.None;

    private readonly ConditionalUNet _network;
    private readonly ForwardProcess _process;
    private readonly Tensor _noises;
    private readonly Tensor _sharing;
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
        _sharing = Table(t => (float)(settings.LabelSharing * t / schedule.Timesteps));
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
        var (x0, shown) = batch.To(_network.Device);
        var (t, eps) = DrawNoise(random, x0);
        if (!training) return Compute(x0, t, eps, shown, training).MoveToOuterDisposeScope();

        var labels = _settings.LabelDropout > 0 ? HideLabels(shown, _settings.LabelDropout, random) : shown;
        var (transformed, transforms) = _settings.Augmentation.Apply(x0, random);
        var others = _settings.LabelSharing > 0 ? Shuffle(shown, random) : null;
        return Compute(transformed, t, eps, labels, training, transforms, others).MoveToOuterDisposeScope();
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
    /// <param name="others">
    /// For each image, the row of a label whose prediction is to be like that of its own, int64 (B); null for none.
    /// </param>
    public Tensor Compute(
        Tensor x0,
        Tensor t,
        Tensor eps,
        Tensor labels,
        bool training,
        Tensor? transforms = null,
        Tensor? others = null)
    {
        using var scope = NewDisposeScope();
        var (xt, target) = _process.Sample(x0, t, eps);
        var noises = _noises.index_select(0, t);
        if (others is null)
        {
            var prediction = _network.Forward(xt, noises, labels, training, _settings.Type, transforms);
            return Error(prediction, target, t).MoveToOuterDisposeScope();
        }

        var predictions = _network.Forward(
            cat([xt, xt]),
            cat([noises, noises]),
            cat([labels, others]),
            training,
            _settings.Type,
            transforms is null ? null : cat([transforms, transforms])).chunk(2);
        var apart = Disagreement(predictions[0], predictions[1], labels, t);
        return Error(predictions[0], target, t).Plus(apart).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _process.Dispose();
        _timesteps.Dispose();
        _noises.Dispose();
        _weights?.Dispose();
        _sharing.Dispose();
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
        var hidden = rand([labels.shape[0]], ScalarType.Float32, CPU, generator: random).IsBelow(fraction);
        return labels.masked_fill(hidden.to(labels.device), NoLabel);
    }

    /// <summary>Gives each image the label of another one, at random.</summary>
    private static Tensor Shuffle(Tensor labels, Generator random)
    {
        var order = randperm(labels.shape[0], ScalarType.Int64, CPU, generator: random);
        return labels.index_select(0, order.to(labels.device));
    }

    private Tensor Error(Tensor prediction, Tensor target, Tensor t) => _weights is null
        ? nn.functional.mse_loss(prediction, target)
        : Errors(prediction, target, t).mean();

    /// <summary>Returns the error of each image, (B).</summary>
    private Tensor Errors(Tensor prediction, Tensor target, Tensor t)
    {
        var errors = (prediction - target).square().mean([1, 2, 3]);                         // B
        return _weights is null ? errors : errors * _weights.index_select(0, t);
    }

    /// <summary>
    /// Returns how much the predictions for two labels differ, more for noisier images: what is added to the loss in
    /// class-balancing diffusion models (Qin et al. 2023, arXiv 2305.00562). Each is pulled towards the other as
    /// towards a constant, that for the image's own label four times as strongly. An image without a label is left out.
    /// </summary>
    private Tensor Disagreement(Tensor own, Tensor other, Tensor labels, Tensor t)
    {
        var errors = Errors(own, other.detach(), t).Plus(Errors(other, own.detach(), t).Times(0.25));
        return (errors * _sharing.index_select(0, t) * labels.ne(NoLabel)).mean();
    }
}
