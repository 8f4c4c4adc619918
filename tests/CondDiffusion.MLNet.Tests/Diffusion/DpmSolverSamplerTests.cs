using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class DpmSolverSamplerTests
{
    [TestMethod]
    public void Sample_GaussianData_ConvergesWithTheStepsToTheSecondOrder()
    {
        double Error(int steps) => GaussianData.Error(steps, DpmSolverSampler.Sample);
        GaussianData.IsOfOrder(2, [.. new[] { 40, 80, 160, 320 }.Select(Error)]);
    }

    /// <summary>
    /// Steps that are short and long in turn need the ratio of their lengths: without it the order is the first.
    /// </summary>
    [TestMethod]
    public void Sample_GaussianDataInUnevenSteps_ConvergesToTheSecondOrder()
    {
        double Error(int steps) => GaussianData.Error(
            steps, DpmSolverSampler.Sample, i => (3 * (i / 2) + i % 2) / (1.5 * steps));
        GaussianData.IsOfOrder(2, [.. new[] { 80, 160, 320 }.Select(Error)]);
    }

    /// <summary>
    /// The ratio the other way round would keep the order, since its errors cancel from step to step. So this compares
    /// one step with the paper (Lu et al. 2022, arXiv 2211.01095, algorithm 2).
    /// </summary>
    [TestMethod]
    public void Sample_StepAfterALongerOne_ExtrapolatesAsInThePaper()
    {
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Linear(1000);
        double Alpha(int t) => Math.Sqrt(schedule.AlphaBar(t));
        double Sigma(int t) => Math.Sqrt(1 - schedule.AlphaBar(t));
        double Lambda(int t) => Math.Log(Alpha(t) / Sigma(t));

        // The predicted image is 0.7 at first and then -0.2, whatever x_t is.
        var x = double.NaN;
        DpmSolverSampler.Sample(
            (xt, t, step) => full_like(xt, t == 900 ? 0.7 : -0.2),
            schedule,
            [900, 500, 400],
            tensor(new[] { 1.5 }),
            (t, xt) =>
            {
                if (t == 400) x = xt.ToDouble();
            });

        var h1 = Lambda(500) - Lambda(900);
        var h2 = Lambda(400) - Lambda(500);
        var r = h1 / h2;
        Assert.IsGreaterThan(3.0, r);
        var x500 = Sigma(500) / Sigma(900) * 1.5 - Alpha(500) * (Math.Exp(-h1) - 1) * 0.7;
        var d = (1 + 1 / (2 * r)) * -0.2 - 1 / (2 * r) * 0.7;
        var x400 = Sigma(400) / Sigma(500) * x500 - Alpha(400) * (Math.Exp(-h2) - 1) * d;
        Assert.AreEqual(x400, x, 1e-9);
    }

    [TestMethod]
    [DataRow(StepSpacing.LogSnr, 20)]
    [DataRow(StepSpacing.Focused, 20)]
    [DataRow(StepSpacing.Focused, 8)]
    public void Sample_StepsToTheEnd_GiveGaussianDataWithinTwoPercent(StepSpacing spacing, int steps)
    {
        using var scope = NewDisposeScope();
        var data = new GaussianData(NoiseSchedule.Linear(1000));
        var timesteps = Timesteps.Choose(data.Schedule, spacing, steps);
        var start = tensor(new[] { -1.5, -0.2, 0.9, 2 });

        var x0 = DpmSolverSampler.Sample(
            (xt, t, step) => data.Image(xt, t, full_like(xt, GaussianData.Mean)), data.Schedule, timesteps, start);

        var slope = GaussianData.Deviation / data.DeviationAt(1000);
        TensorAssert.AreClose(GaussianData.Mean + (start - data.MeanAt(1000)) * slope, x0, 0.02);
    }

    /// <summary>The first step is a step of DDIM. The last one, or the only one, gives the predicted image.</summary>
    [TestMethod]
    public void Sample_FirstAndLastStep_AreOfTheFirstOrder()
    {
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Linear(100);
        var start = tensor(new[] { -1.5, 0.9 });

        Tensor Image(Tensor xt, int t) => (xt - schedule.Sigma(t) * (xt + t).sin()) / schedule.Alpha(t);
        Tensor Denoiser(Tensor xt, int t, int step) => Image(xt, t);
        Tensor Dpm(int[] timesteps, Action<int, Tensor>? visit = null) =>
            DpmSolverSampler.Sample(Denoiser, schedule, timesteps, start, visit);
        Tensor Ddim(int[] timesteps) =>
            DdimSampler.Sample(Denoiser, schedule, timesteps, start, eta: 0, t => zeros(1));

        TensorAssert.AreClose(Image(start, 100), Dpm([100]), 1e-12);
        TensorAssert.AreClose(Ddim([100, 40]), Dpm([100, 40]), 1e-12);

        Tensor? x20 = null;
        var x0 = Dpm([100, 60, 20], (t, xt) =>
        {
            if (t == 20) x20 = xt.clone();
        });
        TensorAssert.AreClose(Image(x20!, 20), x0, 1e-12);
        Assert.IsGreaterThan(0.01, (Ddim([100, 60, 20]) - x0).abs().max().ToDouble());
    }

    [TestMethod]
    public void Sample_VisitThrows_LeavesNoTensor()
    {
        static Tensor Sample(Tensor start, Action<int, Tensor>? visit = null) =>
            DpmSolverSampler.Sample((xt, t, step) => xt * 0.1, NoiseSchedule.Linear(3), [3, 2, 1], start, visit);

        var before = Tensor.TotalCount;
        foreach (var until in new[] { 2, 1, 0 })
        {
            Assert.ThrowsExactly<OperationCanceledException>(() =>
            {
                using var scope = NewDisposeScope();
                Sample(ones(1), (t, xt) =>
                {
                    if (t == until) throw new OperationCanceledException();
                });
            });
        }
        using (Sample(ones(1).DetachFromDisposeScope())) { }
        Assert.AreEqual(before + 1, Tensor.TotalCount); // the start
    }
}
