using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>Predicts the noise in <paramref name="x"/>, (B, C, H, W), at timestep <paramref name="t"/> in 1..T.</summary>
internal delegate Tensor Denoiser(Tensor x, int t);

/// <summary>The reverse loop of Ho et al. 2020 (arXiv 2006.11239, algorithm 2) with the posterior variance.</summary>
internal static class AncestralSampler
{
    /// <summary>Runs from x_T to x_0 and returns x_0.</summary>
    /// <param name="denoiser">The network: it sees every t from T down to 1, once.</param>
    /// <param name="schedule">The schedule that the network was trained with.</param>
    /// <param name="start">x_T, (B, C, H, W); left as it is.</param>
    /// <param name="noise">Standard normal noise like x for the step from t; not asked for t = 1.</param>
    /// <param name="visit">Sees x_(t-1) after each step, with t-1; it must not keep the tensor.</param>
    public static Tensor Sample(
        Denoiser denoiser, NoiseSchedule schedule, Tensor start, Func<int, Tensor> noise, Action<int, Tensor>? visit = null)
    {
        using var noGrad = no_grad();
        var x = start.alias().DetachFromDisposeScope();
        try
        {
            for (var t = schedule.Timesteps; t >= 1; t--)
            {
                using var scope = NewDisposeScope();
                var (alpha, alphaBar, alphaBarPrevious) = (schedule.Alpha(t), schedule.AlphaBar(t), schedule.AlphaBar(t - 1));
                var eps = denoiser(x, t);

                // mu = (x_t - (1 - alpha_t) / sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_t) (equation 11)
                var next = (x - eps * ((1 - alpha) / Math.Sqrt(1 - alphaBar))) / Math.Sqrt(alpha);

                // sigma_t^2 = (1 - alpha_t) (1 - alpha_bar_(t-1)) / (1 - alpha_bar_t) (equation 7)
                var sigma = Math.Sqrt((1 - alpha) * (1 - alphaBarPrevious) / (1 - alphaBar));
                if (t > 1) next = next + noise(t) * sigma;

                x.Dispose();
                x = next.DetachFromDisposeScope();
                visit?.Invoke(t - 1, x);
            }
        }
        catch
        {
            x.Dispose();
            throw;
        }
        return x;
    }
}
