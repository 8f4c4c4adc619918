using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// Adds noise to images in one step, for a whole batch with a timestep for each image, and says what the network shall predict of the result.
/// </summary>
internal sealed class ForwardProcess : IDisposable
{
    private readonly PredictionTarget _target;
    private readonly Tensor _signal, _noise;

    public ForwardProcess(NoiseSchedule schedule, PredictionTarget target, Device device)
    {
        _target = target;
        Tensor Table(Func<int, double> value) =>
            tensor([.. Enumerable.Range(0, schedule.Timesteps + 1).Select(t => (float)value(t))], device: device).DetachFromDisposeScope();
        _signal = Table(schedule.Signal);    // T+1
        _noise = Table(schedule.Noise);      // T+1
    }

    /// <summary>x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps (Ho et al. 2020, arXiv 2006.11239, equation 4), and the target.</summary>
    /// <param name="x0">Images, (B, C, H, W).</param>
    /// <param name="t">Timesteps 1..T, int64 (B).</param>
    /// <param name="eps">Standard normal noise, (B, C, H, W).</param>
    public (Tensor Xt, Tensor Target) Sample(Tensor x0, Tensor t, Tensor eps)
    {
        using var scope = NewDisposeScope();
        var signal = _signal.index_select(0, t).view(-1, 1, 1, 1);
        var noise = _noise.index_select(0, t).view(-1, 1, 1, 1);
        var xt = signal * x0 + noise * eps;
        var target = _target == PredictionTarget.Velocity ? signal * eps - noise * x0 : eps.alias();
        return (xt.MoveToOuterDisposeScope(), target.MoveToOuterDisposeScope());
    }

    public void Dispose()
    {
        _signal.Dispose();
        _noise.Dispose();
    }
}
