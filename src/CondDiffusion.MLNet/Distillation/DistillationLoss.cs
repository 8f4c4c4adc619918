using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Distillation;

/// <summary>
/// The loss of progressive distillation (Salimans and Ho 2022, arXiv 2202.00512, algorithm 2): one step of the student
/// shall lead to where several steps of the teacher lead.
/// </summary>
internal sealed class DistillationLoss : ITrainingLoss
{
    private readonly ConditionalUNet _student;
    private readonly DistillationTeacher _teacher;
    private readonly ForwardProcess _process;
    private readonly NoiseSchedule _schedule;
    private readonly int[] _timesteps;
    private readonly ScalarType _type;

    /// <param name="student">The network to train. It normalizes as in evaluation mode, like the teacher.</param>
    /// <param name="teacher">The teacher.</param>
    /// <param name="model">The student's description.</param>
    /// <param name="type">Data type of the convolutions and activations.</param>
    public DistillationLoss(
        ConditionalUNet student, DistillationTeacher teacher, ModelDescription model, ScalarType type)
    {
        _student = student;
        _teacher = teacher;
        _schedule = model.CreateSchedule();
        _process = new(_schedule, PredictionTarget.Velocity, student.Device);
        _timesteps = Timesteps.Choose(_schedule, StepSpacing.Angle, model.Steps);
        _type = type;
    }

    /// <summary>Computes the loss of a batch, whose images are spread evenly over the student's steps.</summary>
    public Tensor Compute(Batch batch, Generator random, bool training)
    {
        using var scope = NewDisposeScope();
        var (x0, labels) = batch.To(_student.Device);
        var (_, labelsOnCpu) = batch.To(CPU);
        var eps = randn(x0.shape, ScalarType.Float32, CPU, generator: random).to(x0.device);
        var first = randint(0, _timesteps.Length, [1], ScalarType.Int64, CPU, generator: random).item<long>();

        // A part of the batch for each step, so that the teacher evaluates one noise level at a time.
        var images = x0.chunk(_timesteps.Length);
        var noises = eps.chunk(_timesteps.Length);
        var rows = labelsOnCpu.chunk(_timesteps.Length);
        Sample[] samples =
        [
            .. images.Select((image, part) =>
                Take(image, noises[part], rows[part], (int)((first + part) % _timesteps.Length))),
        ];
        var xt = cat([.. samples.Select(sample => sample.Xt)]);
        var noise = cat([.. samples.Select(sample => sample.Noise)]);
        var target = cat([.. samples.Select(sample => sample.Target)]);
        var prediction = _student.Forward(xt, noise, labels, training: false, _type);
        return nn.functional.mse_loss(prediction, target).MoveToOuterDisposeScope();
    }

    public void Dispose() => _process.Dispose();

    /// <summary>Returns the velocity with which one step of DDIM leads from x_t to x_s.</summary>
    /// <param name="xt">x_t, (B, C, H, W).</param>
    /// <param name="xs">x_s, (B, C, H, W).</param>
    /// <param name="turn">The angle of t less that of s.</param>
    internal static Tensor Velocity(Tensor xt, Tensor xs, double turn)
    {
        // x_s = cos(turn) x_t - sin(turn) v (Salimans and Ho 2022, appendix D), solved for v
        return (xt.Times(Math.Cos(turn)) - xs).Over(Math.Sin(turn));
    }

    /// <summary>Returns noisy images at the beginning of a step, their noise, and what to predict from them.</summary>
    /// <param name="x0">The images, (B, C, H, W).</param>
    /// <param name="eps">Standard normal noise, (B, C, H, W).</param>
    /// <param name="labels">The label row of each image, on the CPU.</param>
    /// <param name="step">The index of the step.</param>
    private Sample Take(Tensor x0, Tensor eps, Tensor labels, int step)
    {
        var t = _timesteps[step];
        var s = step + 1 < _timesteps.Length ? _timesteps[step + 1] : 0;
        var count = x0.shape[0];
        var times = tensor(t, ScalarType.Int64, x0.device).expand(count);
        var (xt, _) = _process.Sample(x0, times, eps);
        var noise = tensor(_student.Shape.NoiseAt(_schedule, t), ScalarType.Float32, x0.device).expand(count);

        var xs = _teacher.Go(xt, labels.data<long>().ToArray(), t, s);
        return new(xt, noise, Velocity(xt, xs, _schedule.Angle(t) - _schedule.Angle(s)));
    }

    /// <summary>Noisy images of one step.</summary>
    /// <param name="Xt">x_t, (B, C, H, W).</param>
    /// <param name="Noise">Their noise, in the terms of the architecture, (B).</param>
    /// <param name="Target">The velocity that leads to where the teacher goes, (B, C, H, W).</param>
    private readonly record struct Sample(Tensor Xt, Tensor Noise, Tensor Target);
}
