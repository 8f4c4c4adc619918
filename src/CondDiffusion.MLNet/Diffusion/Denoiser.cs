using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>Predicts the noise in <paramref name="x"/>, (B, C, H, W), at timestep <paramref name="t"/> in 1..T.</summary>
internal delegate Tensor Denoiser(Tensor x, int t);

/// <summary>What makes a denoiser of others.</summary>
internal static class Denoisers
{
    /// <summary>
    /// The noise in x_t if the image under it is the predicted one with its values cut off at -1 and 1, where those of images end. Samplers
    /// that use both image and noise thus see the two agree.
    /// </summary>
    public static Denoiser ClipImage(this Denoiser denoiser, NoiseSchedule schedule) => (xt, t) =>
    {
        using var scope = NewDisposeScope();
        var (signal, noise) = (schedule.Signal(t), schedule.Noise(t));
        var x0 = ((xt - noise * denoiser(xt, t)) / signal).clamp(-1, 1);
        return ((xt - signal * x0) / noise).MoveToOuterDisposeScope();
    };

    /// <summary>
    /// Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598, equation 6): eps_uncond + g (eps_cond - eps_uncond), which goes beyond
    /// what the label says for g > 1, is the plain prediction for g = 1, and that without a label for g = 0.
    /// </summary>
    /// <param name="labelled">Predicts with labels: alone asked where nothing is guided, so that g = 1 is the plain path.</param>
    /// <param name="both">Predicts for (2B, C, H, W), the first half with labels and the second without.</param>
    /// <param name="scale">g of each row, (B).</param>
    /// <param name="guided">Whether to guide at a timestep; where not, g is 1.</param>
    public static Denoiser Guide(Denoiser labelled, Denoiser both, Tensor scale, Func<int, bool> guided)
    {
        if (scale.eq(1).all().item<bool>()) return labelled;
        var w = (scale - 1).view(-1, 1, 1, 1); // the paper's: as eps_cond + w (eps_cond - eps_uncond), g = 1 is exact
        return (x, t) =>
        {
            if (!guided(t)) return labelled(x, t);
            using var scope = NewDisposeScope();
            var halves = both(cat([x, x]), t).chunk(2);
            var (conditional, unconditional) = (halves[0], halves[1]);
            return (conditional + w * (conditional - unconditional)).MoveToOuterDisposeScope();
        };
    }
}
