using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Model;

/// <summary>Makes the denoiser of a model from evaluations of its network, with the guidance of its rows.</summary>
internal static class GuidedDenoiser
{
    /// <summary>Evaluates the network.</summary>
    /// <param name="xt">x_t, (B, C, H, W).</param>
    /// <param name="step">The index of the step.</param>
    /// <returns>What the network predicts, (B, C, H, W).</returns>
    public delegate Tensor Evaluation(Tensor xt, int step);

    /// <summary>Creates a denoiser.</summary>
    /// <param name="model">The model, with its prediction target and its sampling options.</param>
    /// <param name="schedule">The model's schedule.</param>
    /// <param name="rows">The rows with their guidance scales.</param>
    /// <param name="conditional">Evaluates the rows with their labels.</param>
    /// <param name="guided">Evaluates what the rows need where they are guided; null if none is guided.</param>
    public static Denoiser Create(
        ModelDescription model,
        NoiseSchedule schedule,
        GuidedRows rows,
        Evaluation conditional,
        Evaluation? guided)
    {
        var sampling = model.Sampling;
        var denoiser = guided is null
            ? Denoise(conditional)
            : Denoisers.Guide(
                Denoise(conditional), Denoise(guided), rows, t => sampling.Guides(schedule.NoiseLevel(t)));
        return sampling.ClipPixels ? denoiser.ClipImage() : denoiser;

        Denoiser Denoise(Evaluation evaluate) => (xt, t, step) =>
            model.Prediction.Image(evaluate(xt, step), xt, schedule.Alpha(t), schedule.Sigma(t));
    }
}
