using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class DiffusionLossTests
{
    [TestMethod]
    public void Compute_MinSnr_WeighsEachImageByItsTimestep()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var schedule = NoiseSchedule.Linear(1000);
        var shape = new UNetShape(1, 8, 8, Labels: 2, EmbeddingSize: 8, [4, 6, 8]);
        using var network = ConditionalUNet.Create(shape, CPU, 1);
        using var plain = SmallTraining.Create().CreateLoss(network, schedule);
        using var weighted = (SmallTraining.Create() with { MinSnrGamma = 5 }).CreateLoss(network, schedule);

        foreach (var t in new[] { 1, 20, 900 })
        {
            float Loss(DiffusionLoss loss) => loss
                .Compute(ones(1, 1, 8, 8), tensor([(long)t]), ones(1, 1, 8, 8), tensor([1L]), training: false)
                .item<float>();

            var expected = PredictionTarget.Noise.MinSnrWeight(schedule.SignalToNoise(t), 5) * Loss(plain);
            Assert.AreEqual(expected, Loss(weighted), 1e-6 * expected, $"t = {t}");
        }
    }
}
