using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Distillation;

/// <summary>
/// The trained model that a student imitates. It goes the way of each of the student's steps in several steps of DDIM,
/// with its own guidance.
/// </summary>
internal sealed class DistillationTeacher : IDisposable
{
    private readonly ModelDescription _model;
    private readonly NoiseSchedule _schedule;
    private readonly InferenceUNet _network;
    private readonly int[] _timesteps;
    private readonly float[] _noises;
    private readonly int _stepsEach;

    /// <param name="network">The teacher's network, from which the teacher keeps its own form.</param>
    /// <param name="model">The teacher's description.</param>
    /// <param name="steps">Steps of the student.</param>
    /// <param name="stepsEach">Steps of the teacher for each of the student's.</param>
    /// <param name="type">Data type of the convolutions and activations.</param>
    public DistillationTeacher(
        ConditionalUNet network, ModelDescription model, int steps, int stepsEach, ScalarType type)
    {
        _model = model;
        _schedule = model.CreateSchedule();
        _network = InferenceUNet.Create(network, type);
        _timesteps = Timesteps.Choose(_schedule, StepSpacing.Angle, steps * stepsEach);
        _noises = [.. _timesteps.Select(t => network.Shape.NoiseAt(_schedule, t))];
        _stepsEach = stepsEach;
    }

    /// <summary>Goes the way of one step of the student and returns where it ends, (B, C, H, W).</summary>
    /// <param name="xt">x_t at the beginning of the step, (B, C, H, W).</param>
    /// <param name="labels">The label row of each image.</param>
    /// <param name="number">The index of the step among the student's.</param>
    public Tensor Step(Tensor xt, long[] labels, int number)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var guided = new GuidedRows([.. labels.Select(_ => _model.GuidanceScale)]);
        using var conditional = _network.Prepare(_noises, labels);
        using var evaluations = guided.Any
            ? _network.Prepare(_noises, guided.LabelsOf(labels, LabelRow.None))
            : null;
        var denoiser = guided.Any
            ? Denoisers.Guide(
                Denoise(conditional),
                Denoise(evaluations!),
                guided,
                t => _model.Sampling.Guides(t, _schedule.Timesteps))
            : Denoise(conditional);
        if (_model.Sampling.ClipPixels) denoiser = denoiser.ClipImage();

        var first = number * _stepsEach;
        for (var step = first; step < first + _stepsEach; step++)
        {
            var t = _timesteps[step];
            var s = step + 1 < _timesteps.Length ? _timesteps[step + 1] : 0;
            xt = DdimSampler.Step(_schedule, xt, denoiser(xt, t, step), t, s);
        }

        return xt.MoveToOuterDisposeScope();
    }

    public void Dispose() => _network.Dispose();

    private Denoiser Denoise(StepEmbeddings embeddings) => (xt, t, step) => _model.Prediction.Image(
        _network.Forward(xt, embeddings, step), xt, _schedule.Alpha(t), _schedule.Sigma(t));
}
