using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class DenoisersTests
{
    [TestMethod]
    public void ClipImage_ImageBeyondItsRange_IsClippedToIt()
    {
        using var scope = NewDisposeScope();
        var xt = tensor(new[] { -0.7, 0.1, 0.2, 1.4 });
        var x0 = tensor(new[] { -1.2, -0.3, 0.9, 5 });
        var clipped = new Denoiser((x, t, step) =>
        {
            Assert.AreSame(xt, x);
            Assert.AreEqual((70, 2), (t, step));
            return x0.clone();
        }).ClipImage();

        TensorAssert.AreClose(tensor(new[] { -1, -0.3, 0.9, 1 }), clipped(xt, 70, 2), 0);
    }

    /// <summary>A sampler that computes the noise from the clipped image ends with an image within the range.</summary>
    [TestMethod]
    public void ClipImage_UnderASampler_EndsWithinTheRange()
    {
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Linear(100);
        var timesteps = Timesteps.Choose(schedule, StepSpacing.Uniform, 10);
        var start = tensor(new[] { -2.0, 0.0, 2 });

        // The predicted noise is -x_t.
        var wild = new Denoiser((xt, t, step) => (xt + schedule.Sigma(t) * xt) / schedule.Alpha(t)).ClipImage();
        var byDpmSolver = DpmSolverSampler.Sample(wild, schedule, timesteps, start);
        var byDdim = DdimSampler.Sample(wild, schedule, timesteps, start, eta: 0, t => start);

        TensorAssert.AreClose(tensor(new[] { -1.0, 0.0, 1 }), byDpmSolver, 1e-9);
        TensorAssert.AreClose(tensor(new[] { -1.0, 0.0, 1 }), byDdim, 1e-9);
    }

    [TestMethod]
    public void Guide_ScaleOne_IsThePlainDenoiser()
    {
        using var scope = NewDisposeScope();
        Denoiser plain = (xt, t, step) => xt;
        var guided = Denoisers.Guide(
            plain, (xt, t, step) => throw new InvalidOperationException(), new([1, 1, 1]), t => true);
        Assert.AreSame(plain, guided);
    }

    /// <summary>A row of scale 1 is evaluated with its label only, one of scale 0 without it only.</summary>
    [TestMethod]
    public void Guide_ScaleOfEachRow_GoesFromThePredictionWithoutLabelToTheOneWithAndBeyond()
    {
        using var scope = NewDisposeScope();
        var conditional = rand(4, 1, 2, 2);
        var unconditional = rand(4, 1, 2, 2);
        var xt = rand(4, 1, 2, 2);
        var labelled = tensor(new long[] { 0, 1, 3 }, ScalarType.Int64, CPU);
        var unlabelled = tensor(new long[] { 0, 2, 3 }, ScalarType.Int64, CPU);
        Tensor Evaluated(Tensor with, Tensor without) =>
            cat([with.index_select(0, labelled), without.index_select(0, unlabelled)]);

        var rows = new GuidedRows([2, 1, 0, -0.5f]);
        var calls = 0;
        var guided = Denoisers.Guide(
            (x, t, step) => throw new InvalidOperationException(),
            (x, t, step) =>
            {
                calls++;
                Assert.AreEqual((3, 1), (t, step));
                Assert.IsTrue(x.equal(Evaluated(xt, xt)).all().item<bool>());
                return Evaluated(conditional, unconditional);
            },
            rows,
            t => true);

        var x0 = guided(xt, 3, 1);

        Assert.AreEqual(1, calls);
        Assert.AreSequenceEqual([10, 11, 13, -1, -1, -1], rows.LabelsOf([10, 11, 12, 13], -1));
        foreach (var (i, g) in new[] { 2, 1, 0, -0.5 }.Index())
            TensorAssert.AreClose(unconditional[i] + g * (conditional[i] - unconditional[i]), x0[i], 1e-6);
        TensorAssert.AreClose(conditional[1], x0[1], 0);
        TensorAssert.AreClose(unconditional[2], x0[2], 0);
    }

    /// <summary>Guiding the image is the same as guiding the noise by the paper's equation.</summary>
    [TestMethod]
    public void Guide_Images_EqualsGuidingTheNoise()
    {
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Linear(100);
        var alpha = schedule.Alpha(60);
        var sigma = schedule.Sigma(60);
        var xt = rand(2, 1, 2, 2, ScalarType.Float64);
        var conditional = rand(2, 1, 2, 2, ScalarType.Float64);
        var unconditional = rand(2, 1, 2, 2, ScalarType.Float64);
        var guided = Denoisers.Guide(
            (x, t, step) => throw new InvalidOperationException(),
            (x, t, step) => (x - sigma * cat([conditional, unconditional])) / alpha,
            new([3, 3]),
            t => true);

        var eps = (xt - alpha * guided(xt, 60, 0)) / sigma;

        TensorAssert.AreClose(unconditional + 3 * (conditional - unconditional), eps, 1e-12);
    }

    [TestMethod]
    public void Guide_OutsideTheInterval_EvaluatesOnlyTheConditionalDenoiser()
    {
        using var scope = NewDisposeScope();
        var guided = Denoisers.Guide(
            (xt, t, step) => xt * 7, (xt, t, step) => zeros_like(xt), new([0]), t => t is > 2 and <= 5);
        var xt = ones(1, 1, 1, 1);
        foreach (var (t, expected) in new[] { (1, 7), (2, 7), (3, 0), (5, 0), (6, 7) })
            Assert.AreEqual(expected, guided(xt, t, 0).ToDouble(), $"t = {t}");
    }
}
