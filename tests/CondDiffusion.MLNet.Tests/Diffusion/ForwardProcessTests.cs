using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Tests.Parity;
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
        using var process = new ForwardProcess(NoiseSchedule.Linear(1000), CPU);
        var xt = process.AddNoise(0.9 * SeedUNet.Wave(202, 2, 1, 32, 32), SeedUNet.Timesteps, 1.2 * SeedUNet.Wave(303, 2, 1, 32, 32));
        // The reference multiplies its schedule up in float32, which is off by 1e-6 where ours, in float64, is not.
        TensorAssert.AreClose(golden["x_t"], xt, 2e-6, stride: 31);
    }
}
