namespace CondDiffusion.MLNet.Diffusion;

/// <summary>
/// The numbers of a step of <see cref="DpmSolverSampler"/>, x_s = a x_t + b (x_0 + c (x_0 - x_0')), where x_0' is the
/// image that the step before predicted. With c = 0 it is a step of <see cref="DdimSampler"/> that adds no noise.
/// </summary>
/// <param name="Noisy">The factor a of x_t.</param>
/// <param name="Image">The factor b of the predicted image.</param>
/// <param name="Change">The factor c of the change of the predicted image; 0 in a step of first order.</param>
internal readonly record struct DpmSolverStep(double Noisy, double Image, double Change);
