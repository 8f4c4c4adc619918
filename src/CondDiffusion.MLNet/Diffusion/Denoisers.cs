using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>Makes denoisers from other denoisers.</summary>
internal static class Denoisers
{
    // TorchSharp may free the Scalar that a call makes of a number before libtorch has read it; these live on.
    private static readonly Scalar Darkest = -1;
    private static readonly Scalar Brightest = 1;

    /// <summary>Clips the predicted images to [-1, 1], the range of pixels.</summary>
    public static Denoiser ClipImage(this Denoiser denoiser) =>
        (xt, t, step) => denoiser(xt, t, step).clamp(Darkest, Brightest);

    /// <summary>
    /// Adds classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598, equation 6). The weights of that equation
    /// sum to 1 and x_0 is affine in the noise, so guiding the image is the same as guiding the noise.
    /// </summary>
    /// <param name="conditional">The denoiser of the rows with their labels.</param>
    /// <param name="evaluations">The denoiser of the evaluations that the rows need.</param>
    /// <param name="rows">The rows with their guidance scales.</param>
    /// <param name="isGuided">Whether to guide at a timestep. Elsewhere every row is evaluated with its label.</param>
    public static Denoiser Guide(
        Denoiser conditional, Denoiser evaluations, GuidedRows rows, Func<int, bool> isGuided)
    {
        if (!rows.Any) return conditional;

        return (xt, t, step) =>
        {
            if (!isGuided(t)) return conditional(xt, t, step);

            using var scope = NewDisposeScope();
            return rows.Combine(evaluations(rows.Select(xt), t, step)).MoveToOuterDisposeScope();
        };
    }
}
