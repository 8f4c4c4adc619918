using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Tests.Parity;
using CondDiffusion.MLNet.Tests.Support;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class ForwardProcessTests
{
    [TestMethod]
    public void AddNoise_GoldenInputs_EqualsTheReference()
    {
        using var scope = NewDisposeScope();
        using var golden = new SeedUNet();
        using var process = new ForwardProcess(NoiseSchedule.Linear(1000), PredictionTarget.Noise, CPU);
        var (xt, _) = process.Sample(0.9 * SeedUNet.Wave(202, 2, 1, 32, 32), SeedUNet.Timesteps, 1.2 * SeedUNet.Wave(303, 2, 1, 32, 32));
        // The reference multiplies its schedule up in float32, which is off by 1e-6 where ours, in float64, is not.
        TensorAssert.AreClose(golden["x_t"], xt, 2e-6, stride: 31);
    }

    [TestMethod]
    public void Sample_Velocity_GivesBackImageAndNoise()
    {
        using var scope = NewDisposeScope();
        var schedule = NoiseSchedule.Cosine(10);
        using var process = new ForwardProcess(schedule, PredictionTarget.Velocity, CPU);
        var (x0, eps) = (SeedUNet.Wave(1, 1, 1, 4, 4), SeedUNet.Wave(2, 1, 1, 4, 4));
        var (xt, v) = process.Sample(x0, tensor([6L]), eps);
        var (signal, noise) = (Math.Sqrt(schedule.AlphaBar(6)), Math.Sqrt(1 - schedule.AlphaBar(6)));
        TensorAssert.AreClose(x0.data<float>().ToArray(), signal * xt - noise * v, 1e-6);
        TensorAssert.AreClose(eps.data<float>().ToArray(), signal * v + noise * xt, 1e-6);
    }
}
