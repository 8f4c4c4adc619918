using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class DenoisersTests
{
    [TestMethod]
    public void ClipImage_ImageBeyondItsRange_MovesTheNoiseAlongWithIt()
    {
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Linear(100);
        var (signal, noise) = (schedule.Signal(70), schedule.Noise(70));
        var (x, image) = (tensor(new[] { -0.7, 0.1, 0.2, 1.4 }), tensor(new[] { -1.2, -0.3, 0.9, 5 }));
        var clipped = new Denoiser((x, t) => (x - schedule.Signal(t) * image) / schedule.Noise(t)).ClipImage(schedule);
        TensorAssert.AreClose((x - signal * tensor(new[] { -1, -0.3, 0.9, 1 })) / noise, clipped(x, 70), 1e-12);
    }

    /// <summary>What is left to the sampler is right for both halves of it: the image that it ends with is within the range.</summary>
    [TestMethod]
    public void ClipImage_UnderASampler_EndsWithinTheRange()
    {
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Linear(100);
        var wild = new Denoiser((x, t) => -x).ClipImage(schedule);
        var timesteps = ReverseLoop.Timesteps(schedule, StepSpacing.Uniform, 10);
        var start = tensor(new[] { -2.0, 0.0, 2 });
        TensorAssert.AreClose(tensor(new[] { -1.0, 0.0, 1 }), DpmSolverSampler.Sample(wild, schedule, timesteps, start), 1e-9);
        TensorAssert.AreClose(tensor(new[] { -1.0, 0.0, 1 }), DdimSampler.Sample(wild, schedule, timesteps, start, eta: 0, t => start), 1e-9);
    }

    [TestMethod]
    public void Guide_ScaleOne_IsThePlainDenoiser()
    {
        using var scope = NewDisposeScope();
        Denoiser plain = (x, t) => x;
        Assert.AreSame(plain, Denoisers.Guide(plain, (x, t) => throw new InvalidOperationException(), ones(3), t => true));
    }

    [TestMethod]
    public void Guide_ScaleOfEachRow_GoesFromThePredictionWithoutLabelToTheOneWithAndBeyond()
    {
        using var scope = NewDisposeScope();
        var (conditional, unconditional) = (rand(4, 1, 2, 2), rand(4, 1, 2, 2));
        var x = rand(4, 1, 2, 2);
        var asked = 0;
        var guided = Denoisers.Guide(
            (x, t) => throw new InvalidOperationException(),
            (xx, t) =>
            {
                asked++;
                Assert.AreEqual(3, t);
                Assert.IsTrue(xx.equal(cat([x, x])).all().item<bool>());
                return cat([conditional, unconditional]);
            },
            tensor([2f, 1, 0, -0.5f]), t => true);

        var eps = guided(x, 3);
        Assert.AreEqual(1, asked);
        foreach (var (i, g) in new[] { 2, 1, 0, -0.5 }.Index())
            TensorAssert.AreClose(unconditional[i] + g * (conditional[i] - unconditional[i]), eps[i], 1e-6);
        TensorAssert.AreClose(conditional[1], eps[1], 0);
    }

    [TestMethod]
    public void Guide_OutsideTheInterval_AsksOnceWithLabelsOnly()
    {
        using var scope = NewDisposeScope();
        var guided = Denoisers.Guide((x, t) => x * 7, (x, t) => zeros_like(x), tensor([2f]), t => t is > 2 and <= 5);
        var x = ones(1, 1, 1, 1);
        foreach (var (t, expected) in new[] { (1, 7), (2, 7), (3, 0), (5, 0), (6, 7) })
            Assert.AreEqual(expected, guided(x, t).ToDouble(), $"t = {t}");
    }
}
