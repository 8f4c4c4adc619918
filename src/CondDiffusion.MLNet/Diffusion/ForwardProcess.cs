using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// Makes training samples: adds the noise of a timestep to each image of a batch, and returns what the network should
/// predict from the result.
/// </summary>
internal sealed class ForwardProcess : IDisposable
{
    private readonly PredictionTarget _prediction;
    private readonly Tensor _alpha;
    private readonly Tensor _sigma;

    /// <param name="schedule">The noise at each timestep.</param>
    /// <param name="prediction">What the network predicts.</param>
    /// <param name="device">The device of the images.</param>
    public ForwardProcess(NoiseSchedule schedule, PredictionTarget prediction, Device device)
    {
        _prediction = prediction;
        _alpha = Table(schedule.Alpha);      // T+1
        _sigma = Table(schedule.Sigma);      // T+1

        Tensor Table(Func<int, double> value)
        {
            var values = Enumerable.Range(0, schedule.Timesteps + 1).Select(t => (float)value(t));
            return tensor([.. values], ScalarType.Float32, device).DetachFromDisposeScope();
        }
    }

    /// <summary>Returns the noisy images x_t and what the network should predict from them.</summary>
    /// <param name="x0">The images, (B, C, H, W).</param>
    /// <param name="t">The timestep of each image, 1..T, int64 (B).</param>
    /// <param name="eps">Standard normal noise, (B, C, H, W).</param>
    public (Tensor Xt, Tensor Target) Sample(Tensor x0, Tensor t, Tensor eps)
    {
        using var scope = NewDisposeScope();
        var alpha = _alpha.index_select(0, t).view(-1, 1, 1, 1);                             // B 1 1 1
        var sigma = _sigma.index_select(0, t).view(-1, 1, 1, 1);                             // B 1 1 1

        // x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps (Ho et al. 2020, arXiv 2006.11239, equation 4)
        var xt = (alpha * x0).Plus(sigma * eps);
        var target = _prediction.Target(x0, eps, alpha, sigma);

        return (xt.MoveToOuterDisposeScope(), target.MoveToOuterDisposeScope());
    }

    public void Dispose()
    {
        _alpha.Dispose();
        _sigma.Dispose();
    }
}
