using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Tests.Parity;
using CondDiffusion.MLNet.Tests.Support;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class ForwardProcessTests
{
    [TestMethod]
    public void Sample_GoldenInputs_EqualsTheReference()
    {
        using var scope = NewDisposeScope();
        using var golden = new SeedUNet();
        using var process = new ForwardProcess(NoiseSchedule.Linear(1000), PredictionTarget.Noise, CPU);
        var x0 = 0.9 * SeedUNet.Wave(202, 2, 1, 32, 32);
        var eps = 1.2 * SeedUNet.Wave(303, 2, 1, 32, 32);

        var (xt, target) = process.Sample(x0, SeedUNet.Timesteps, eps);

        // The reference multiplies its schedule in float32, which costs it an error of 1e-6. Ours is in float64.
        TensorAssert.AreClose(golden["x_t"], xt, 2e-6, stride: 31);
        TensorAssert.AreClose(eps, target, 0);
    }

    [TestMethod]
    public void Sample_Velocity_GivesBackImageAndNoise()
    {
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Cosine(10);
        using var process = new ForwardProcess(schedule, PredictionTarget.Velocity, CPU);
        var x0 = SeedUNet.Wave(1, 1, 1, 4, 4);
        var eps = SeedUNet.Wave(2, 1, 1, 4, 4);

        var (xt, v) = process.Sample(x0, tensor([6L]), eps);

        var alpha = Math.Sqrt(schedule.AlphaBar(6));
        var sigma = Math.Sqrt(1 - schedule.AlphaBar(6));
        TensorAssert.AreClose(x0.data<float>().ToArray(), alpha * xt - sigma * v, 1e-6);
        TensorAssert.AreClose(eps.data<float>().ToArray(), alpha * v + sigma * xt, 1e-6);
    }
}
