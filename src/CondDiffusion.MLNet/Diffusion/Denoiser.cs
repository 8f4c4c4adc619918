using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// Predicts the image x_0 under the noise of x_t, as a denoiser does in EDM (Karras et al. 2022, arXiv 2206.00364).
/// </summary>
/// <param name="xt">x_t, (B, C, H, W). The denoiser leaves it as it is.</param>
/// <param name="t">The timestep, 1..T.</param>
/// <param name="step">The index of t in the sampler's timesteps.</param>
/// <returns>x_0, (B, C, H, W), in a new tensor.</returns>
internal delegate Tensor Denoiser(Tensor xt, int t, int step);
