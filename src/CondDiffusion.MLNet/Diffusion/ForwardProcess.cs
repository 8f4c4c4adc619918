using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>Adds noise to images: draws x_t given x_0 in one step, for a whole batch with a timestep for each image.</summary>
internal sealed class ForwardProcess : IDisposable
{
    private readonly Tensor _signal, _noise;

    public ForwardProcess(NoiseSchedule schedule, Device device)
    {
        using var scope = NewDisposeScope();
        var alphaBar = tensor([.. Enumerable.Range(0, schedule.Timesteps + 1).Select(schedule.AlphaBar)], device: device);
        _signal = alphaBar.sqrt().to(ScalarType.Float32).DetachFromDisposeScope();           // T+1
        _noise = (1 - alphaBar).sqrt().to(ScalarType.Float32).DetachFromDisposeScope();      // T+1
    }

    /// <summary>x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps (Ho et al., equation 4).</summary>
    /// <param name="x0">Images, (B, C, H, W).</param>
    /// <param name="t">Timesteps 1..T, int64 (B).</param>
    /// <param name="eps">Standard normal noise, (B, C, H, W).</param>
    public Tensor AddNoise(Tensor x0, Tensor t, Tensor eps)
    {
        using var scope = NewDisposeScope();
        var signal = _signal.index_select(0, t).view(-1, 1, 1, 1);
        var noise = _noise.index_select(0, t).view(-1, 1, 1, 1);
        return (signal * x0 + noise * eps).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _signal.Dispose();
        _noise.Dispose();
    }
}
