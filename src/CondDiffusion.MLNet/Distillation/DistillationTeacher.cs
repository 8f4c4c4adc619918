using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Distillation;

/// <summary>
/// The trained model that a student imitates. It goes the way of each of the student's steps in several steps, with its
/// own guidance.
/// </summary>
internal sealed class DistillationTeacher : IDisposable
{
    private readonly ModelDescription _model;
    private readonly NoiseSchedule _schedule;
    private readonly InferenceUNet _network;
    private readonly int[] _timesteps;
    private readonly float[] _noises;

    /// <param name="network">A network with the teacher's weights, of which the teacher keeps a copy.</param>
    /// <param name="model">The teacher's description.</param>
    /// <param name="timesteps">
    /// The timesteps at which the teacher takes a step, those of the student among them.
    /// </param>
    /// <param name="type">Data type of the convolutions and activations.</param>
    public DistillationTeacher(
        ConditionalUNet network, ModelDescription model, int[] timesteps, ScalarType type)
    {
        _model = model;
        _schedule = model.CreateSchedule();

        // The form for inference shares weights with the network that it is made from.
        using var copy = network.CopyWith(network.Parameters, network.Buffers);
        _network = InferenceUNet.Create(copy, type);
        _timesteps = timesteps;
        _noises = [.. timesteps.Select(t => network.Shape.NoiseAt(_schedule, t))];
    }

    /// <summary>Goes from one of its timesteps to another and returns where it ends, (B, C, H, W).</summary>
    /// <param name="xt">x_t, (B, C, H, W).</param>
    /// <param name="labels">The label row of each image.</param>
    /// <param name="t">The timestep of x_t.</param>
    /// <param name="s">The timestep to go to, below t.</param>
    public Tensor Go(Tensor xt, long[] labels, int t, int s)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        int[] way = [.. _timesteps.Where(timestep => timestep <= t && timestep > s)];
        var noises = _noises.AsMemory(Array.IndexOf(_timesteps, t), way.Length).ToArray();

        var rows = new GuidedRows([.. labels.Select(_ => _model.GuidanceScale)]);
        using var conditional = _network.Prepare(noises, labels);
        using var guided = rows.Any ? _network.Prepare(noises, rows.LabelsOf(labels, LabelRow.None)) : null;
        var denoiser = GuidedDenoiser.Create(
            _model,
            _schedule,
            rows,
            (x, step) => _network.Forward(x, conditional, step),
            guided is null ? null : (x, step) => _network.Forward(x, guided, step));

        // DPM-Solver++ and DDIM without fresh noise follow the same path, the former more exactly. The steps of a
        // distilled teacher are those of DDIM.
        var xs = _model.Sampling.Sampler == Sampler.DpmSolver
            ? DpmSolverSampler.SampleTo(s, denoiser, _schedule, way, xt)
            : ReverseLoop.Run(way, xt, TakeDdimStep, end: s);
        return xs.MoveToOuterDisposeScope();

        Tensor TakeDdimStep(Tensor x, int from, int to, int step) =>
            DdimSampler.Step(_schedule, x, denoiser(x, from, step), from, to);
    }

    public void Dispose() => _network.Dispose();
}
