using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class DpmSolverSamplerTests
{
    [TestMethod]
    public void Sample_GaussianData_ConvergesWithTheStepsToTheSecondOrder() =>
        GaussianData.IsOfOrder(2, [.. new[] { 40, 80, 160, 320 }.Select(steps => GaussianData.Error(steps, DpmSolverSampler.Sample))]);

    [TestMethod]
    public void Sample_TwentyStepsToTheEnd_GivesGaussianDataWithinTwoPercent()
    {
        using var scope = NewDisposeScope();
        var data = new GaussianData(NoiseSchedule.Linear(1000));
        var start = tensor(new[] { -1.5, -0.2, 0.9, 2 });
        var exact = GaussianData.Mean + (start - data.MeanAt(1000)) * (GaussianData.Deviation / data.DeviationAt(1000));
        var x = DpmSolverSampler.Sample(
            (x, t) => data.Noise(x, t, full_like(x, GaussianData.Mean)), data.Schedule,
            ReverseLoop.Timesteps(data.Schedule, StepSpacing.LogSnr, 20), start);
        TensorAssert.AreClose(exact, x, 0.02);
    }

    /// <summary>The first step is that of DDIM, the last gives the predicted image, and so does the only one.</summary>
    [TestMethod]
    public void Sample_FirstAndLastStep_AreOfTheFirstOrder()
    {
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Linear(100);
        var start = tensor(new[] { -1.5, 0.9 });
        Tensor Denoiser(Tensor x, int t) => (x + t).sin();
        Tensor Image(Tensor x, int t) => (x - schedule.Noise(t) * Denoiser(x, t)) / schedule.Signal(t);
        Tensor Dpm(int[] timesteps, Action<int, Tensor>? visit = null) => DpmSolverSampler.Sample(Denoiser, schedule, timesteps, start, visit);
        Tensor Ddim(int[] timesteps) => DdimSampler.Sample(Denoiser, schedule, timesteps, start, eta: 0, t => zeros(1));

        TensorAssert.AreClose(Image(start, 100), Dpm([100]), 1e-12);
        TensorAssert.AreClose(Ddim([100, 40]), Dpm([100, 40]), 1e-12);
        Tensor? last = null;
        var x = Dpm([100, 60, 20], (t, x) => last ??= t == 20 ? x.clone().MoveToOuterDisposeScope().MoveToOuterDisposeScope() : null);
        TensorAssert.AreClose(Image(last!, 20), x, 1e-12);
        Assert.IsGreaterThan(0.01, (Ddim([100, 60, 20]) - x).abs().max().ToDouble());
    }

    [TestMethod]
    public void Sample_VisitThrows_LeavesNoTensor()
    {
        var before = Tensor.TotalCount;
        foreach (var until in new[] { 2, 1, 0 })
        {
            Assert.ThrowsExactly<OperationCanceledException>(() =>
            {
                using var scope = NewDisposeScope();
                DpmSolverSampler.Sample((x, t) => x * 0.1, NoiseSchedule.Linear(3), [3, 2, 1], ones(1), (t, x) =>
                {
                    if (t == until) throw new OperationCanceledException();
                });
            });
        }
        using (DpmSolverSampler.Sample((x, t) => x * 0.1, NoiseSchedule.Linear(3), [3, 2, 1], ones(1).DetachFromDisposeScope())) { }
        Assert.AreEqual(before + 1, Tensor.TotalCount); // the start
    }
}
