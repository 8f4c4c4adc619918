using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>The loop from noise to an image, one timestep after another. The sampler provides the step.</summary>
internal static class ReverseLoop
{
    /// <summary>
    /// Takes one step and returns x_s. It runs in a dispose scope of its own and without gradients; a tensor that must
    /// outlive the step has to be detached from that scope.
    /// </summary>
    /// <param name="xt">x_t, (B, C, H, W). The step leaves it as it is.</param>
    /// <param name="t">The timestep of x_t.</param>
    /// <param name="s">The timestep to step to, below t.</param>
    /// <param name="step">The index of the step, from 0.</param>
    public delegate Tensor Step(Tensor xt, int t, int s, int step);

    /// <summary>Runs from x_T to x_0 and returns x_0, in the caller's dispose scope.</summary>
    /// <param name="timesteps">The timesteps at which to take a step, falling.</param>
    /// <param name="start">x at the first timestep, (B, C, H, W). The loop leaves it as it is.</param>
    /// <param name="takeStep">The sampler's step.</param>
    /// <param name="visit">
    /// Receives s and x_s after each step. It must not keep the tensor. It runs in the caller's dispose scope and
    /// gradient mode: it may be a user's code, whose tensors are not the loop's.
    /// </param>
    /// <param name="end">The timestep to which the last step leads, in place of 0.</param>
    public static Tensor Run(
        IReadOnlyList<int> timesteps, Tensor start, Step takeStep, Action<int, Tensor>? visit = null, int end = 0)
    {
        var x = start.alias().DetachFromDisposeScope();
        try
        {
            for (var step = 0; step < timesteps.Count; step++)
            {
                var s = step + 1 < timesteps.Count ? timesteps[step + 1] : end;
                var xs = TakeDetached(takeStep, x, timesteps[step], s, step);
                x.Dispose();
                x = xs;
                visit?.Invoke(s, x);
            }

            return x.alias();
        }
        finally
        {
            x.Dispose();
        }
    }

    private static Tensor TakeDetached(Step takeStep, Tensor xt, int t, int s, int step)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        return takeStep(xt, t, s, step).DetachFromDisposeScope();
    }
}
