using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// The training loss || target - prediction(x_t, t, y) ||^2 (Ho et al. 2020, arXiv 2006.11239, equation 14), weighted by timestep where a
/// min-SNR gamma is set.
/// </summary>
internal sealed class DiffusionLoss : IDisposable
{
    private readonly ConditionalUNet _network;
    private readonly ForwardProcess _process;
    private readonly Tensor? _weights;
    private readonly ScalarType _type;

    /// <param name="network">The network to train.</param>
    /// <param name="schedule">The noise at each timestep.</param>
    /// <param name="target">What the network predicts.</param>
    /// <param name="minSnrGamma">The most that a signal-to-noise ratio counts; 0 for no weights.</param>
    /// <param name="type">Of the convolutions.</param>
    public DiffusionLoss(ConditionalUNet network, NoiseSchedule schedule, PredictionTarget target, double minSnrGamma, ScalarType type)
    {
        _network = network;
        _process = new(schedule, target, network.Device);
        _type = type;
        if (minSnrGamma > 0)
            _weights = tensor(
                [.. Enumerable.Range(0, schedule.Timesteps + 1).Select(t => (float)(t == 0 ? 0 : Weight(schedule.SignalToNoise(t), target, minSnrGamma)))],
                device: network.Device).DetachFromDisposeScope();                            // T+1
    }

    /// <summary>
    /// min(SNR, gamma) in terms of the loss on x_0, which is SNR times smaller on the noise and SNR + 1 times smaller on the velocity (Hang et
    /// al. 2023, arXiv 2303.09556, equation 4 and section 3.4).
    /// </summary>
    internal static double Weight(double snr, PredictionTarget target, double gamma) =>
        Math.Min(snr, gamma) / (target == PredictionTarget.Velocity ? snr + 1 : snr);

    /// <summary>The mean loss of a batch.</summary>
    /// <param name="x0">Images, (B, C, H, W).</param>
    /// <param name="t">Timesteps 1..T, int64 (B).</param>
    /// <param name="eps">Standard normal noise, (B, C, H, W).</param>
    /// <param name="labels">Rows of the label table, int64 (B); negative for none.</param>
    /// <param name="training">Normalise by the batch's statistics, and update the running ones.</param>
    public Tensor Of(Tensor x0, Tensor t, Tensor eps, Tensor labels, bool training)
    {
        using var scope = NewDisposeScope();
        var (xt, target) = _process.Sample(x0, t, eps);
        var prediction = _network.Forward(xt, t, labels, training, _type);
        var loss = _weights is null
            ? nn.functional.mse_loss(prediction, target)
            : ((prediction - target).square().mean([1, 2, 3]) * _weights.index_select(0, t)).mean();
        return loss.MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _process.Dispose();
        _weights?.Dispose();
    }
}
