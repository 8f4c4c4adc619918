using System.Diagnostics;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// What the network predicts from x_t = alpha x_0 + sigma eps, where alpha^2 + sigma^2 = 1: how the target is made in
/// training, how the image follows from a prediction in sampling, and how losses are weighted.
/// </summary>
internal static class Prediction
{
    /// <summary>Returns what the network should predict, in a new tensor.</summary>
    /// <param name="kind">The kind of target.</param>
    /// <param name="x0">The images, (B, C, H, W).</param>
    /// <param name="eps">The noise, (B, C, H, W).</param>
    /// <param name="alpha">The factor of each image, (B, 1, 1, 1).</param>
    /// <param name="sigma">The factor of each image's noise, (B, 1, 1, 1).</param>
    public static Tensor Target(
        this PredictionTarget kind, Tensor x0, Tensor eps, Tensor alpha, Tensor sigma) => kind switch
        {
            // Ho et al. 2020, arXiv 2006.11239, equation 14
            PredictionTarget.Noise => eps.alias(),

            // Salimans and Ho 2022, arXiv 2202.00512, section 4
            PredictionTarget.Velocity => alpha * eps - sigma * x0,

            _ => throw new UnreachableException($"{kind}"),
        };

    /// <summary>Returns the image x_0 that a prediction implies, in a new tensor.</summary>
    /// <param name="kind">The kind of target that the network was trained for.</param>
    /// <param name="prediction">The network's output, (B, C, H, W).</param>
    /// <param name="xt">The network's input x_t, (B, C, H, W).</param>
    /// <param name="alpha">alpha_t.</param>
    /// <param name="sigma">sigma_t.</param>
    public static Tensor Image(
        this PredictionTarget kind, Tensor prediction, Tensor xt, double alpha, double sigma) => kind switch
        {
            // x_t = alpha x_0 + sigma eps, solved for x_0
            PredictionTarget.Noise => (xt - prediction.Times(sigma)).Over(alpha),

            // Salimans and Ho 2022, appendix D
            PredictionTarget.Velocity => xt.Times(alpha) - prediction.Times(sigma),

            _ => throw new UnreachableException($"{kind}"),
        };

    /// <summary>
    /// Returns the min-SNR weight of the loss: min(SNR, gamma) for a loss on x_0 (Hang et al. 2023, arXiv 2303.09556,
    /// equation 4). A loss on the noise is SNR times a loss on x_0, and one on the velocity SNR + 1 times; the weight
    /// is divided by that (section 3.4).
    /// </summary>
    /// <param name="kind">The kind of target that the loss compares.</param>
    /// <param name="snr">The signal-to-noise ratio alpha^2 / sigma^2.</param>
    /// <param name="gamma">The largest signal-to-noise ratio that counts in full.</param>
    public static double MinSnrWeight(this PredictionTarget kind, double snr, double gamma) => kind switch
    {
        PredictionTarget.Noise => Math.Min(snr, gamma) / snr,
        PredictionTarget.Velocity => Math.Min(snr, gamma) / (snr + 1),
        _ => throw new UnreachableException($"{kind}"),
    };
}
