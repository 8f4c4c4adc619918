using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>Makes denoisers from other denoisers.</summary>
internal static class Denoisers
{
    /// <summary>Clips the predicted images to [-1, 1], the range of pixels.</summary>
    public static Denoiser ClipImage(this Denoiser denoiser) => (xt, t, step) => denoiser(xt, t, step).clamp(-1, 1);

    /// <summary>
    /// Adds classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598, equation 6). The weights of that equation
    /// sum to 1 and x_0 is affine in the noise, so guiding the image is the same as guiding the noise.
    /// </summary>
    /// <param name="conditional">The denoiser with labels.</param>
    /// <param name="conditionalAndNot">
    /// The denoiser for (2B, C, H, W) whose first half has labels and whose second half has none.
    /// </param>
    /// <param name="scale">
    /// The guidance scale g of each row, (B). 0 ignores the label, 1 is no guidance, and more than 1 strengthens the
    /// label.
    /// </param>
    /// <param name="isGuided">Whether to guide at a timestep. Elsewhere g is 1.</param>
    public static Denoiser Guide(
        Denoiser conditional, Denoiser conditionalAndNot, Tensor scale, Func<int, bool> isGuided)
    {
        // Without guidance only the conditional denoiser is evaluated, so that g = 1 costs nothing.
        if (scale.eq(1).all().item<bool>()) return conditional;

        // x_0 = x_0,cond + w (x_0,cond - x_0,uncond) with the paper's w = g - 1, which is exact for g = 1
        var w = (scale - 1).view(-1, 1, 1, 1);                                               // B 1 1 1
        return (xt, t, step) =>
        {
            if (!isGuided(t)) return conditional(xt, t, step);

            using var scope = NewDisposeScope();
            var halves = conditionalAndNot(cat([xt, xt]), t, step).chunk(2);
            var withLabel = halves[0];
            var withoutLabel = halves[1];
            return (withLabel + w * (withLabel - withoutLabel)).MoveToOuterDisposeScope();
        };
    }
}
