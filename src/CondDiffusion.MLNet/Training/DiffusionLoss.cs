using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The training loss || target - prediction(x_t, t, y) ||^2 (Ho et al. 2020, arXiv 2006.11239, equation 14), weighted
/// by timestep if a min-SNR gamma is set.
/// </summary>
internal sealed class DiffusionLoss : IDisposable
{
    private readonly ConditionalUNet _network;
    private readonly ForwardProcess _process;
    private readonly Tensor? _weights;
    private readonly ScalarType _type;

    /// <param name="network">The network to train.</param>
    /// <param name="schedule">The noise at each timestep.</param>
    /// <param name="prediction">What the network predicts.</param>
    /// <param name="minSnrGamma">The largest signal-to-noise ratio that counts in full; 0 for no weights.</param>
    /// <param name="type">The data type of the convolutions and activations.</param>
    public DiffusionLoss(
        ConditionalUNet network, NoiseSchedule schedule, PredictionTarget prediction, double minSnrGamma,
        ScalarType type)
    {
        _network = network;
        _process = new(schedule, prediction, network.Device);
        _type = type;
        if (minSnrGamma <= 0) return;

        var weights = Enumerable.Range(1, schedule.Timesteps)
            .Select(t => (float)prediction.MinSnrWeight(schedule.SignalToNoise(t), minSnrGamma))
            .Prepend(0); // no image has t = 0
        float[] table = [.. weights];
        _weights = tensor(table, ScalarType.Float32, network.Device).DetachFromDisposeScope();   // T+1
    }

    /// <summary>Computes the mean loss of a batch.</summary>
    /// <param name="x0">The images, (B, C, H, W).</param>
    /// <param name="t">The timestep of each image, 1..T, int64 (B).</param>
    /// <param name="eps">Standard normal noise, (B, C, H, W).</param>
    /// <param name="labels">The label row of each image or <see cref="LabelRow.None"/>, int64 (B).</param>
    /// <param name="training">
    /// Whether to normalise by the batch's statistics and update the running ones, instead of normalising by those.
    /// </param>
    public Tensor Compute(Tensor x0, Tensor t, Tensor eps, Tensor labels, bool training)
    {
        using var scope = NewDisposeScope();
        var (xt, target) = _process.Sample(x0, t, eps);
        var prediction = _network.Forward(xt, t, labels, training, _type);
        return Error(prediction, target, t).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _process.Dispose();
        _weights?.Dispose();
    }

    private Tensor Error(Tensor prediction, Tensor target, Tensor t)
    {
        if (_weights is null) return nn.functional.mse_loss(prediction, target);

        var errors = (prediction - target).square().mean([1, 2, 3]);                         // B
        return (errors * _weights.index_select(0, t)).mean();
    }
}
